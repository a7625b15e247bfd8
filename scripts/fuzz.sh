#!/usr/bin/env bash
# fuzz.sh [SECONDS] - builds the fuzz targets (tests/fuzz) with clang's libFuzzer, and runs them on all cores, together
# for about so many seconds (initially 600), an equal share each. What makes new paths is kept in build/fuzz/corpus and
# gone on from the next time; an input that is a finding stays in build/fuzz/findings.
#
# A line for each target and one for all of them: executions and findings. Exit codes: 0 nothing was found, 1 a finding
# or a failed build, 2 usage, 3 what is missing cannot be installed.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

seconds=${1:-600}
if [ $# -gt 1 ] || ! [[ $seconds =~ ^[1-9][0-9]{0,6}$ ]]; then echo "usage: fuzz.sh [SECONDS]" >&2 && exit 2; fi
need_packages "${build_packages[@]}" clang python3-pil
python=$(python_with PIL)
step "building"
build_preset fuzz "$root/build/fuzz-build.log" all || exit 1
build=$root/build/fuzz
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 ASAN_OPTIONS=quarantine_size_mb=16

rm -rf "$build/seeds" "$build/logs"
mkdir -p "$build/logs"
"$python" "$root/tests/fuzz/seeds.py" "$build/lenet" "$build/seeds"
targets=("$build"/tests/fuzz/fuzz_*)
share=$((seconds * $(nproc) / ${#targets[@]}))
export build seconds_each=$((share > 0 ? share : 1))
step "running ${#targets[@]} targets, $seconds_each s each, on $(nproc) cores"
# run_target PROGRAM
run_target() {
    local name=${1##*/}
    mkdir -p "$build/corpus/$name" "$build/findings/$name"
    "$1" -max_total_time="$seconds_each" -timeout=60 -print_final_stats=1 -artifact_prefix="$build/findings/$name/" \
        "$build/corpus/$name" "$build/seeds/$name" >"$build/logs/$name" 2>&1 || echo finding >"$build/logs/$name.finding"
}
export -f run_target
printf '%s\0' "${targets[@]}" | xargs -0 -P "$(nproc)" -I{} bash -c 'run_target {}'

total=0 findings=0
for target in "${targets[@]}"; do
    name=${target##*/} found=0
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$build/logs/$name")
    if [ -e "$build/logs/$name.finding" ]; then
        found=1
        grep -aE 'ERROR:|not so:|runtime error:|Test unit written' "$build/logs/$name" >&2 || tail "$build/logs/$name" >&2
    fi
    printf '%-18s %12d executions, %d findings\n' "$name" "${runs:-0}" "$found"
    total=$((total + ${runs:-0})) findings=$((findings + found))
done
printf '%-18s %12d executions, %d findings\n' total "$total" "$findings"
[ "$findings" -eq 0 ]
