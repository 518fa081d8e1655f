#!/usr/bin/env bash
# Helix and a terminal.
set -euo pipefail
. "$(dirname "$0")/debian.sh"

have_unpacked helix forky usr/bin/hx -- hx
have_unpacked tmux forky usr/bin/tmux -- tmux
