#!/usr/bin/env bash
# test_quickstart.sh - the scripts' common part against a fake apt-get, and quickstart.sh --short as it is.
#
# Needs a machine on which everything is installed, and no network: what would install or download
# is a fake that fails. Prints one line per claim; exits 1 when one does not hold.
set -uo pipefail

source_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
calls=$work/calls # a line for each call of a fake

failures=0
# claim TEXT COMMAND...: the command holds.
claim() {
    local text=$1
    shift
    if "$@"; then
        echo "ok      $text"
    else
        echo "FAILED  $text ($*)"
        sed 's/^/        | /' "$work/out" "$work/err" "$calls" 2>/dev/null
        failures=$((failures + 1))
    fi
}
code_is() { [ "$code" -eq "$1" ]; }
says() { grep -qF -- "$1" "$work/out"; }
complains() { grep -qF -- "$1" "$work/err"; }
silent() { [ ! -s "$work/out" ] && [ ! -s "$work/err" ]; }
calls_are() { [ "$(cat "$calls" 2>/dev/null)" = "$1" ]; }
no_calls() { [ ! -e "$calls" ]; }

# ---- common.sh, seeing only the tools in $bin ---------------------------------------------------

bin=$work/bin
installed=$work/installed # what the fake dpkg-query knows: "PACKAGE STATUS"
mkdir -p "$bin" "$work/tree/scripts"
cp "$source_dir/scripts/common.sh" "$work/tree/scripts/"
for tool in bash env dirname mkdir tail cat grep; do ln -s "$(command -v "$tool")" "$bin/$tool" || exit 1; done
# fake NAME BODY: a command in $bin.
fake() {
    printf '#!/usr/bin/env bash\n%s\n' "$2" >"$bin/$1"
    chmod +x "$bin/$1"
}
fakes() {
    rm -rf "$calls" "$bin/sudo" "$bin/c++" "$bin/cmake" "$work/tree/build"
    printf '%s installed\n' "$@" >"$installed"
    fake id 'echo 0'
    fake dpkg-query "code=0
for name; do
    case \$name in -*) continue ;; esac
    grep -x \"\$name .*\" '$installed' || code=1
done
exit \$code"
    fake apt-get "echo \"apt-get \$*\" >>'$calls'
if [ \"\$1\" = install ]; then
    [ \"\$DEBIAN_FRONTEND\" = noninteractive ] || exit 9
    for name; do echo \"\$name installed\" >>'$installed'; done
fi"
}
common() {
    PATH=$bin "$bin/bash" -c "set -euo pipefail; . '$work/tree/scripts/common.sh'; $1" script >"$work/out" 2>"$work/err"
    code=$?
}
install="apt-get install -y --no-install-recommends -o DPkg::Lock::Timeout=300"

fakes one two; common 'need_packages one two'
claim "where nothing is missing, nothing is said" silent
claim "  and apt-get is not called" no_calls
claim "  exit code 0" code_is 0

fakes one three; common 'need_packages one two three four; need_packages five; need_packages two'
claim "only what is missing is installed, after one update" calls_are "apt-get update
$install two four
$install five"
claim "  and it says what" says "installing two four"

fakes one; echo "two config-files" >>"$installed"; common 'need_packages one two'
claim "a package that was removed is missing" calls_are "apt-get update
$install two"

fakes one; fake apt-get "echo \"apt-get \$*\" >>'$calls'; [ \"\$1\" != update ]"; common 'need_packages two'
claim "a failed update does not keep it from trying" code_is 0
claim "  but is said" complains "apt-get update failed"

fakes one; fake apt-get "echo 'E: no such package' >&2; exit 100"; common 'need_packages one two three; echo went on'
claim "a failed installation: exit 3" code_is 3
claim "  with apt-get's words" complains "E: no such package"
claim "  and the line for the user" complains "    apt-get update && apt-get install -y --no-install-recommends two three"

fakes one; fake id 'echo 1000'; fake sudo "echo \"sudo \$*\" >>'$calls'; \"\$@\" 2>>'$work/log'"; common 'need_packages two'
claim "who is not root asks sudo" grep -qx "sudo env DEBIAN_FRONTEND=noninteractive $install two" "$calls"
claim "  exit code 0" code_is 0

fakes one; fake id 'echo 1000'; common 'need_packages two'
claim "neither root nor sudo: exit 3" code_is 3
claim "  with the line for the user" complains "    sudo apt-get update && sudo apt-get install -y --no-install-recommends two"
claim "  and apt-get is not called" no_calls

fakes one; LENET_NO_INSTALL=1 common 'need_packages two'
claim "LENET_NO_INSTALL keeps it from looking" silent

fakes; rm "$bin/apt-get"; fake c++ ''; fake cmake ''; common 'need_packages build-essential cmake libpng-dev'
claim "without apt-get but with the tools it goes on" code_is 0
claim "  and says what it could not check" says "going on without a check for libpng-dev"

fakes; rm "$bin/apt-get"; fake cmake ''; common 'need_packages build-essential cmake ninja-build libpng-dev'
claim "without apt-get and without tools: exit 3" code_is 3
claim "  naming them" complains "missing: a C and C++ compiler, ninja."

fakes; fake python3 'exit 1'; common 'python_with json'
claim "python_with does not take a python3 without the module" test "$(cat "$work/out")" != "$bin/python3"
fake python3 'exit 0'; common 'python_with json os'
claim "python_with takes the first python3 that has it" test "$(cat "$work/out")" = "$bin/python3"
fake python3 'exit 1'; common 'python_with no_such_module'
claim "python_with fails where no python3 has it" code_is 1
claim "  and prints nothing" silent

# ---- quickstart.sh ----------------------------------------------------------------------------------

rm -rf "$bin" "$calls"
mkdir "$bin"
for tool in apt-get npm curl sudo; do fake "$tool" "echo \"$tool \$*\" >>'$calls'; exit 1"; done
quickstart() {
    PATH=$bin:$PATH "$source_dir/scripts/quickstart.sh" "$@" >"$work/out" 2>"$work/err"
    code=$?
}
is_png() { [ "$(head -c 4 "$1" | tail -c 3)" = PNG ]; }
complete() {
    local file
    for file in run.json metrics.jsonl eval.json last.safetensors; do [ -s "$1/$file" ] || return; done
    for file in learning_curves confusion digits; do is_png "$1/$file.png" || return; done
}
epochs_are() { [ "$(wc -l <"$1/metrics.jsonl")" -eq "$2" ]; }
contents() { (cd "$1" && find . -type f -exec sha256sum {} + | sort); }
before=$(ls "$source_dir/runs" 2>/dev/null)

quickstart --help
claim "--help: exit 0 and the usage" says "usage: quickstart.sh"
quickstart --shrot
claim "an unknown option: exit 2" code_is 2
claim "  naming it" complains "--shrot"
quickstart --run
claim "--run without a directory: exit 2" code_is 2
quickstart --short -- --run "$work/elsewhere"
claim "--run among the training options: exit 2" code_is 2

first="$work/a run" # with a space
quickstart --short --run "$first"
claim "quickstart --short: exit 0" code_is 0
claim "  the run directory has everything" complete "$first"
claim "  of 2 epochs" epochs_are "$first" 2
claim "  nothing was installed or downloaded" no_calls
claim "  it says what was reached" grep -qE '^lenet5 on MNIST sample: [0-9.]+ % of 500 test images right \(95 % interval [0-9.]+ to [0-9.]+ %\)$' "$work/out"
claim "  how fast" grep -qE '^2 epochs in [0-9.]+ s on [a-z0-9:]+, [0-9,]+ images/s$' "$work/out"
claim "  and where to look" says "$first/digits.png"
claim "  and complains of nothing" test ! -s "$work/err"

cd "$work" || exit 1
quickstart --short --run second
claim "once more, from another directory: exit 0" code_is 0
claim "  the run directory has everything" complete "$work/second"
claim "  the same weights, byte for byte" cmp "$first/last.safetensors" "$work/second/last.safetensors"

was=$(contents "$work/second")
quickstart --short --run second
claim "a run that is there already: exit 3" code_is 3
claim "  naming it" complains "second: a run is there already"
claim "  and leaving it as it was" test "$(contents "$work/second")" = "$was"

quickstart --short --run third -- --epochs 1 --seed 2
claim "training options go to lenet train" epochs_are "$work/third" 1
claim "  the run directory has everything" complete "$work/third"

quickstart --short --run fourth -- --lr often
claim "lenet's own exit code comes through" code_is 2

# Ctrl-C in a terminal is for the script and for lenet.
PATH=$bin:$PATH env --default-signal=INT setsid "$source_dir/scripts/quickstart.sh" --short --run fifth -- \
    --steps 100000000 >"$work/out" 2>"$work/err" &
for ((i = 0; i < 3000; i++)); do
    if [ -s fifth/last.safetensors ]; then break; fi
    sleep 0.02
done
kill -INT -- -$!
wait $! 2>/dev/null
code=$?
claim "Ctrl-C: ended by it" code_is 130
claim "  after lenet has kept what there is" says "interrupted, and kept"
claim "  says how to go on" says "stopped; to go on: $source_dir/build/release/lenet train --resume fifth"

claim "the repository's runs are left alone" test "$(ls "$source_dir/runs" 2>/dev/null)" = "$before"

if [ "$failures" -gt 0 ]; then
    echo "$failures claims FAILED"
    exit 1
fi
