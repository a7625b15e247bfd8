#!/usr/bin/env bash
# kills.sh [COUNT] - kills trainings and sweeps by `kill -9` at random moments until COUNT of each have died so (initially
# 100), goes on with each, and compares what they leave with what nothing disturbed: test_resume.sh and
# test_sweep_kill.sh, with other moments each time. LENET_PROGRAM is the program (initially build/release/lenet).
# Exit codes: 0 nothing was lost, 1 something was, 2 usage, 3 there is no program.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

count=${1:-100}
if [ $# -gt 1 ] || ! [[ $count =~ ^[1-9][0-9]*$ ]]; then
    echo "usage: kills.sh [COUNT]" >&2
    exit 2
fi
program=${LENET_PROGRAM:-$(here build/release/lenet)}
if [ ! -x "$program" ]; then
    complain "$program: not there; scripts/quickstart.sh builds it"
    exit 3
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
failures=0
for test in test_resume test_sweep_kill; do
    killed=0
    for ((seed = 1; killed < count; seed++)); do
        if ! LENET_TEST_SEED=$seed "$root/tests/training/$test.sh" "$program" "$root" >"$log" 2>&1; then
            failures=$((failures + 1))
            grep -A 20 FAILED "$log" >&2 || tail -n 20 "$log" >&2
            complain "$test.sh with LENET_TEST_SEED=$seed failed"
        fi
        while read -r times; do killed=$((killed + times)); done \
            < <(sed -nE 's/.*killed ([0-9]+) times.*/\1/p' "$log")
        step "$test: killed $killed times in $seed rounds"
        if [ "$failures" -ge 3 ]; then break; fi
    done
done
[ "$failures" -eq 0 ]
