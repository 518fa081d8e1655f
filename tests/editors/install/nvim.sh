#!/usr/bin/env bash
# Neovim with its own inline completion (0.12), the one before without (0.10), and a terminal.
set -euo pipefail
. "$(dirname "$0")/debian.sh"

have_unpacked nvim-0.12 forky usr/bin/nvim -- neovim
have_unpacked nvim-0.10 trixie usr/bin/nvim -- neovim
have_unpacked tmux forky usr/bin/tmux -- tmux
