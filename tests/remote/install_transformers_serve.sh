#!/usr/bin/env bash
# Make `transformers serve` runnable: a virtual environment in a cache folder that sees the packages
# of this one and holds what only serving needs (FastAPI, uvicorn, openai, accelerate); nothing is
# installed anywhere else. Prints its Python. Does nothing the second time.
#
# usage: install_transformers_serve.sh [PYTHON [FOLDER]]
#     PYTHON   of the environment with dsc-lsp's dependencies (.venv/bin/python)
#     FOLDER   ${XDG_CACHE_HOME:-~/.cache}/dsc-lsp-tests/transformers-serve
# Needs a package index that pip reaches; exits 3 without one.
set -euo pipefail

python=${1:-$(dirname "$0")/../../.venv/bin/python}
folder=${2:-${XDG_CACHE_HOME:-$HOME/.cache}/dsc-lsp-tests/transformers-serve}
serves='from transformers.utils.import_utils import is_serve_available
import accelerate, sys
sys.exit(not is_serve_available())'
if [ -x "$folder/bin/python" ] && "$folder/bin/python" -c "$serves" >/dev/null 2>&1; then
    echo "$folder/bin/python"
    exit 0
fi

give_up() {
    echo "transformers serve cannot be had here: $1" >&2
    exit 3
}

packages=$("$python" -c 'import os, sysconfig; print(os.path.realpath(sysconfig.get_path("purelib")))')
version=$("$python" -c 'import transformers; print(transformers.__version__)') ||
    give_up "$python has no transformers"
rm -rf "$folder"
mkdir -p "$(dirname "$folder")"
trap 'rm -rf "$folder"' EXIT
"$python" -m venv "$folder"
# What is on the path counts as installed, so that torch and its kin are not fetched again.
"$folder/bin/python" -c 'import sys, sysconfig
with open(sysconfig.get_path("purelib") + "/shared.pth", "w") as file:
    file.write(sys.argv[1] + "\n")' "$packages"
"$folder/bin/python" -m pip install --quiet --disable-pip-version-check \
    "transformers[serving]==$version" || give_up "the installation failed"
"$folder/bin/python" -c "$serves" || give_up "something is missing still"
trap - EXIT
echo "$folder/bin/python"
