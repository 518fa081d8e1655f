#!/usr/bin/env bash
# Unpack Debian sid's llama.cpp, with its own loader and libraries, into a cache folder; nothing is
# installed into the system. Prints the command that runs the server. Does nothing the second time.
#
# usage: install_llama_server.sh [FOLDER]    (else ${XDG_CACHE_HOME:-~/.cache}/dsc-lsp-tests/llama-server)
# Needs Debian or a relative of it (apt-get, dpkg-deb) and its package mirror; exits 3 without them.
set -euo pipefail

folder=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/dsc-lsp-tests/llama-server}
command=$folder/llama-server
if [ -x "$command" ] && "$command" --version >/dev/null 2>&1; then
    echo "$command"
    exit 0
fi

give_up() {
    echo "llama-server cannot be had here: $1" >&2
    exit 3
}

for program in apt-get apt-cache dpkg-deb; do
    command -v "$program" >/dev/null || give_up "there is no $program"
done
# The mirror that this machine uses anyway.
mirror=$(apt-get indextargets --format '$(ORIGIN) $(CODENAME) $(REPO_URI)' 'Created-By: Packages' |
    awk '$1 == "Debian" && $2 !~ /security/ { print $3; exit }')
[ -n "$mirror" ] || give_up "apt knows no mirror of Debian (run apt-get update)"

mkdir -p "$(dirname "$folder")"
work=$(mktemp -d "$folder.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/apt/{lists/partial,archives/partial,empty} "$work"/root
: >"$work/apt/status"
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
echo "deb [signed-by=$keyring] $mirror sid main" >"$work/apt/sources.list"
# apt with lists, cache and sources of its own: what the machine has installed stays as it is.
cat >"$work/apt/apt.conf" <<EOF
Dir::State "$work/apt";
Dir::State::lists "$work/apt/lists";
Dir::State::status "$work/apt/status";
Dir::Cache "$work/apt";
Dir::Etc::sourcelist "$work/apt/sources.list";
Dir::Etc::sourceparts "$work/apt/empty";
APT::Sandbox::User "root";
Acquire::Retries "2";
EOF
export APT_CONFIG=$work/apt/apt.conf
apt-get -qq update || give_up "Debian's mirror does not answer"
packages=(llama.cpp-tools libllama0 libggml0 libc6 libgcc-s1 libgomp1 libstdc++6 libssl3t64
    libzstd1 zlib1g)
(cd "$work/apt" && apt-get -qq download "${packages[@]}") || give_up "the download failed"
for package in "$work"/apt/*.deb; do
    dpkg-deb --extract "$package" "$work/root"
done
rm -rf "$work/apt"

libraries=$(cd "$work/root" && find usr/lib -name 'ld-linux*.so.*' -printf '%h\n' -quit)
loader=$(cd "$work/root/$libraries" && echo ld-linux*.so.*)
# ggml looks for its backends beside the running program, which is the loader here, and takes the
# best one for this processor.
(cd "$work/root/$libraries" && ln -s ggml/*/libggml-cpu*.so .)
cat >"$work/llama-server" <<EOF
#!/usr/bin/env bash
root=\$(dirname "\$(readlink -f "\$0")")/root
libraries=\$root/$libraries
exec "\$libraries/$loader" --library-path "\$libraries:\$libraries/llama" \\
    "\$root/usr/bin/llama-server" "\$@"
EOF
chmod +x "$work/llama-server"
"$work/llama-server" --version >/dev/null 2>&1 || give_up "the unpacked server does not start"
rm -rf "$folder"
mv "$work" "$folder"
trap - EXIT
echo "$command"
