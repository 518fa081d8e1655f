#!/usr/bin/env bash
# Emacs 30 with eglot (its own) and lsp-mode, and a terminal.
set -euo pipefail
. "$(dirname "$0")/debian.sh"

have_unpacked emacs forky usr/bin/emacs-nox -- emacs-nox elpa-lsp-mode
have_unpacked tmux forky usr/bin/tmux -- tmux
