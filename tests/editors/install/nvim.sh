#!/usr/bin/env bash
# Neovim with its own inline completion (0.12), and the one before without (0.10).
set -euo pipefail
. "$(dirname "$0")/debian.sh"

have_unpacked nvim-0.12 forky usr/bin/nvim -- neovim
have_unpacked nvim-0.10 trixie usr/bin/nvim -- neovim
