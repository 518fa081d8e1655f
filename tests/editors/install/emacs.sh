#!/usr/bin/env bash
# Emacs 30 with eglot (its own) and lsp-mode, and a terminal.
set -euo pipefail
. "$(dirname "$0")/debian.sh"

have_unpacked emacs forky usr/bin/emacs-nox -- emacs-nox elpa-lsp-mode
have_unpacked tmux forky usr/bin/tmux -- tmux

# Read as source, lsp-mode takes a minute to load on a busy machine.
root=$cache/emacs
sources=$root/usr/share/emacs/site-lisp/elpa-src
if [ ! -e "$root/.compiled" ]; then
    files=()
    for name in dash s f ht lv spinner markdown-mode; do
        files+=("$sources/$name"-*/"$name.el")
    done
    for name in lsp-protocol lsp-mode lsp-inline-completion; do
        files+=("$sources"/lsp-mode-*/"$name.el")
    done
    paths=()
    for folder in "$sources"/*/; do paths+=(-L "$folder"); done
    shared=$(ls -d "$root"/usr/share/emacs/[0-9]*)
    EMACSLOADPATH=$shared/lisp EMACSDATA=$shared/etc EMACSDOC=$shared/etc EMACSPATH=$root \
        "$root/usr/bin/emacs-nox" --dump-file="$(ls "$root"/usr/libexec/emacs/*/*/*.pdmp)" \
        -Q --batch "${paths[@]}" --eval '(setq native-comp-jit-compilation nil native-comp-enable-subr-trampolines nil)' \
        -f batch-byte-compile "${files[@]}" >"$root/.compile.log" 2>&1
    touch "$root/.compiled"
fi
