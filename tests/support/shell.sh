# shellcheck shell=bash
# shell.sh - what the tests of the whole program share. Sourced, not run:
#   . "$(dirname "${BASH_SOURCE[0]}")/../support/shell.sh" "$@"
# with the arguments LENET_PROGRAM SOURCE_DIR. One line per claim; `finish` fails where one does not hold.
set -uo pipefail

if [ $# -ne 2 ]; then
    echo "usage: ${0##*/} LENET_PROGRAM SOURCE_DIR" >&2
    exit 2
fi
# What is tested would ignore a signal that whoever began the test ignores, as nohup lets it.
if [ -z "${LENET_TEST_SIGNALS:-}" ]; then
    export LENET_TEST_SIGNALS=default
    exec env --default-signal "$0" "$@"
fi
program=$(realpath "$1")
source_dir=$(realpath "$2")
sample=$source_dir/data/sample
export sample
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
# No data set of whoever runs the test is found.
unset LENET_DATA
export XDG_DATA_HOME=$work/nothing

claims=0 failures=0 skips=0
# claim TEXT COMMAND...: the command holds.
claim() {
    local text=$1
    shift
    claims=$((claims + 1))
    if "$@"; then
        echo "ok      $text"
    else
        echo "FAILED  $text ($*)"
        sed 's/^/        | /' "$work/out" "$work/err" 2>/dev/null | tail -n 20
        failures=$((failures + 1))
    fi
}
# skip TEXT REASON: what cannot be tried here.
skip() {
    echo "skipped $1: $2"
    skips=$((skips + 1))
}
# The last line of a test.
finish() {
    echo "$claims claims, $failures FAILED, $skips skipped"
    [ "$failures" -eq 0 ]
}

# lenet ARGUMENT...: runs the program, after what is in `prefix`; sets code, and writes $work/out and $work/err.
prefix=()
lenet() {
    "${prefix[@]}" "$program" "$@" >"$work/out" 2>"$work/err"
    code=$?
}

# wait_for COMMAND...: until it holds, a minute at most.
wait_for() {
    local i
    for ((i = 0; i < 3000; i++)); do
        if "$@"; then return 0; fi
        sleep 0.02
    done
    return 1
}

code_is() { [ "$code" -eq "$1" ]; }
says() { grep -qF -- "$1" "$work/out"; }
complains() { grep -qF -- "$1" "$work/err"; }
is_quiet() { [ ! -s "$work/err" ]; }

# Everything about the files below a directory but their times.
contents() {
    (
        cd "$1" || exit
        find . -printf '%p %y %m\n' | sort
        find . -type f -exec sha256sum {} + | sort
    )
}
# What depends on the clock is left out.
without_times() { sed -E 's/,"(images_per_s|seconds)":[^,}]*//g' "$@"; }
# A run's metrics.
untimed() { without_times "$1/metrics.jsonl"; }
# A sweep's runs, sorted by their ids, with which the lines begin.
untimed_runs() { without_times "$1"/runs*.jsonl | LC_ALL=C sort; }
