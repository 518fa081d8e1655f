# Programs of another Debian release, unpacked into a folder and made to run from there.
#
# To be sourced. Nothing is installed: apt works with a state of its own, no maintainer script
# runs, no root is needed. The programs carry their own C library, so that they run on older
# systems, but see the machine's files and start its programs.

cache=${DSC_EDITORS_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/dsc-lsp-tests/editors}

# What these depend on, and no test needs: compilers, service managers, sources.
needless='^(binutils.*|lib(a|l|t|hwa|ub)san[0-9]+|libgprofng0|libc6-dev|libc-dev-bin|linux-libc-dev'
needless+='|libgcc-[0-9]+-dev|systemd|libsystemd-shared|emacs-el|install-info|libc-gconv-modules-extra)$'

# have_unpacked NAME SUITE PROGRAM... -- PACKAGE...
# Unpacks packages with what they need into the folder NAME of the cache, once, and makes the
# programs (paths in it) run with their own libraries.
have_unpacked() {
    local name=$1 suite=$2 programs=() root
    shift 2
    while [ "$1" != -- ]; do programs+=("$1"); shift; done
    shift
    root=$cache/$name
    local recipe="$suite ${programs[*]} -- $*"
    [ "$(cat "$root/.complete" 2>/dev/null)" = "$recipe" ] && return
    rm -rf "$root"
    mkdir -p "$root/.apt"/{lists/partial,archives/partial} "$root/usr"/{bin,sbin,lib,lib64}
    ln -s usr/bin usr/sbin usr/lib usr/lib64 "$root"
    _download "$root/.apt" "$suite" "$@"
    local package
    for package in "$root/.apt"/*.deb; do
        dpkg-deb --fsys-tarfile "$package" | tar -x -C "$root" --keep-directory-symlink \
            --exclude ./usr/share/doc --exclude ./usr/share/man --exclude ./usr/share/locale
    done
    rm -r "$root/.apt"
    _run_from "$root" "${programs[@]}"
    echo "$recipe" >"$root/.complete"
}

_download() {
    local state=$1 suite=$2
    shift 2
    local options=(
        -qq -o Dir::State="$state" -o Dir::State::status="$state/status" -o Dir::Cache="$state"
        -o Dir::State::lists="$state/lists" -o Dir::Etc::sourcelist="$state/only.sources"
        -o Dir::Etc::sourceparts=- -o APT::Install-Recommends=false -o APT::Sandbox::User=
        -o Debug::NoLocking=1 -o Acquire::Languages=none
        # The signature of a mirror that stands still is as good as ever.
        -o Acquire::Check-Valid-Until=false
    )
    touch "$state/status"
    cat >"$state/only.sources" <<SOURCES
Types: deb
URIs: $(_mirror)
Suites: $suite
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
SOURCES
    apt-get "${options[@]}" update
    apt-get "${options[@]}" install --simulate patchelf "$@" | awk '$1 == "Inst" { print $2 }' |
        grep -Ev "$needless" >"$state/names"
    (cd "$state" && xargs apt-get "${options[@]}" download <names)
}

# The machine's own mirror of Debian.
_mirror() {
    apt-get indextargets --format '$(REPO_URI)' 2>/dev/null | grep -m1 '/debian/\?$' || {
        echo 'This machine has no Debian mirror among its apt sources.' >&2
        return 1
    }
}

_run_from() {
    local root=$1 libraries loader program
    shift
    libraries=$(dirname "$(ls "$root"/usr/lib/*/libc.so.6)")
    loader=$(ls "$libraries"/ld-linux*.so.*)
    for program in "$@"; do
        "$loader" --library-path "$libraries" "$root/usr/bin/patchelf" \
            --set-interpreter "$loader" --force-rpath --set-rpath "$libraries" "$root/$program"
    done
}
