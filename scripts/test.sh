#!/usr/bin/env bash
# test.sh [--quick] - installs what is missing, builds, and runs every test; --quick: of the release build only, and
# without the tests that take longest (ctest's label "long").
#
# The last line is "lenet: N passed, N failed, N skipped", of all test runs together. A build or a
# check that fails counts as one failed test. Exit codes: 0 all is well, 1 something failed, 2 usage,
# 3 what is missing cannot be installed.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

quick=0 left_out=()
case "$#:${1:-}" in
0:) ;;
1:--quick) quick=1 left_out=(--label-exclude long) ;;
*) echo "usage: test.sh [--quick]" >&2 && exit 2 ;;
esac

passed=0 failed=0 skipped=0
ended=0
finish() {
    local code=$?
    # Ended before its end: a package that cannot be installed, Ctrl-C.
    if [ "$ended" = 0 ]; then failed=$((failed + 1)); fi
    printf '\nlenet: %d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
    if [ "$failed" -gt 0 ] && [ "$code" -eq 0 ]; then exit 1; fi
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# stage NAME COMMAND...: runs it and prints its wall time; status says whether it went well.
status=0
stage() {
    local name=$1 began=$SECONDS
    shift
    status=0
    step "$name"
    "$@" || status=$?
    printf '   %d s\n' $((SECONDS - began))
}
# check NAME COMMAND...: a stage that counts as one failed test when it fails.
check() {
    stage "$@"
    if [ "$status" -ne 0 ]; then failed=$((failed + 1)); fi
}

# build PRESET [CMAKE OPTION...]
build() { build_preset "$1" "$root/build/test-$1-build.log" all "${@:2}"; }

# count_results FILE: passed, failed and skipped tests on a line, then the reasons of the skipped ones.
# In JUnit's file of ctest, "notrun" is a test that skipped itself as well as one that could not start.
count_results() {
    "$python" - "$1" <<'PYTHON'
import collections
import re
import sys
import xml.etree.ElementTree as xml

def reason_of(case):
    """GoogleTest's message, else the last line that was printed."""
    lines = [line.strip() for line in (case.findtext("system-out") or "").splitlines() if line.strip()]
    for line, following in zip(lines, lines[1:]):
        if re.search(r":\d+: Skipped$", line) and not following.startswith("["):
            return following
    return lines[-1] if lines else "no reason given"

counts = {"passed": 0, "failed": 0, "skipped": 0}
reasons = collections.Counter()
for case in xml.parse(sys.argv[1]).getroot().iter("testcase"):
    status, reason = case.get("status"), case.find("skipped")
    skips_itself = reason is not None and reason.get("message", "").startswith("SKIP_")
    if status == "run":
        counts["passed"] += 1
    elif status == "disabled" or status == "notrun" and skips_itself:
        counts["skipped"] += 1
        reasons[reason_of(case)] += 1
    else:
        counts["failed"] += 1
print(*counts.values())
for reason, times in reasons.most_common(5):
    print(f"   {times} skipped: {reason}")
PYTHON
}
run_tests() {
    local log=$root/build/test-$1.log results=$root/build/test-$1.xml code=0 counts p f s
    rm -f "$results"
    (cd "$root" && ctest --preset "$1" --parallel "$(nproc)" --output-on-failure --no-tests=error --timeout 300 \
        --output-junit "$results" "${left_out[@]}") >"$log" 2>&1 || code=$?
    counts=$(count_results "$results") || counts="0 1 0"
    read -r p f s <<<"$counts"
    if [ "$code" -ne 0 ] && [ "$f" -eq 0 ]; then f=1; fi
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
    if [ "$f" -gt 0 ]; then
        grep -vE '^ *Start +[0-9]+: |^ *[0-9]+/[0-9]+ Test .* Passed ' "$log" | tail -n 300 >&2
        complain "tests of preset $1 failed (above, and $log)"
    fi
    printf '   %d passed, %d failed, %d skipped\n' "$p" "$f" "$s"
    if [ "$s" -gt 0 ]; then tail -n +2 <<<"$counts"; fi
}
build_and_test() {
    check "$1: build" build "$1" -DBUILD_TESTING=ON
    if [ "$status" -eq 0 ]; then stage "$1: tests" run_tests "$1"; fi
}
# By Debian 12's version: others break lines elsewhere.
check_format() {
    if ! clang-format --version | grep -q "version 14\."; then echo "   skipped: not version 14" && return; fi
    find "$root/src" "$root/include" "$root/cuda" "$root/tests" \
        \( -name '*.c' -o -name '*.h' -o -name '*.cc' -o -name '*.cu' -o -name '*.cuh' \) -print0 |
        xargs -0 clang-format --dry-run --Werror
}
check_scripts() {
    local scripts
    mapfile -t scripts < <(find "$root/scripts" "$root/tests" "$root/.ci" -name '*.sh' -o -name '*.sbatch' \
        -o -path '*/.ci/run' | sort)
    shellcheck --external-sources --source-path="$root" "${scripts[@]}"
}

need_packages "${build_packages[@]}" "${test_packages[@]}"
need_python "numpy matplotlib" "${plot_packages[@]}"
want_packages "${optional_packages[@]}"
python=$(python_with numpy matplotlib)

# The first error of undefined behaviour ends a test; by default it is printed and forgotten.
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-halt_on_error=1:print_stacktrace=1}

check "shellcheck" check_scripts
check "clang-format" check_format
check "cppcheck" "$root/scripts/static.sh" cppcheck
build_and_test release
if [ "$quick" = 0 ]; then
    build_and_test asan
    check "clang: build" build clang -DBUILD_TESTING=OFF
fi
printf '== all stages: %d s' "$SECONDS"
ended=1
