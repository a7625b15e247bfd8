#!/usr/bin/env bash
# coverage.sh [--quick] - builds with gcov's counters, runs the tests, and says how many lines and branches of each room
# of src they reach; build/coverage/html/index.html shows which they do not. --quick: without the longest tests.
# What a process that is killed has reached is not counted. Threads count without locks, which would take most of the
# time, so that some counts come out below zero: those are left out.
#
# Tests that fail are shown, and scripts/test.sh judges them: test_faults has to fail here, as gcov's own calls fail.
# Exit codes: 0 it is measured, 1 the build failed, 2 usage, 3 what is missing cannot be installed.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

left_out=()
case "$#:${1:-}" in
0:) ;;
1:--quick) left_out=(--label-exclude long) ;;
*) echo "usage: coverage.sh [--quick]" >&2 && exit 2 ;;
esac
need_packages "${build_packages[@]}" "${test_packages[@]}" gcovr
build=$root/build/coverage
cd "$root"
step "building"
build_preset coverage "$root/build/coverage-build.log" all || exit 1
find "$build" -name '*.gcda' -delete
step "running the tests"
export GCOV_ERROR_FILE=/dev/null
ctest --preset coverage --parallel "$(nproc)" --timeout 900 "${left_out[@]}" >"$root/build/coverage.log" || true
sed -n '/tests passed/,$p' "$root/build/coverage.log"

step "reading the counters"
mkdir -p "$build/html"
gcovr --root . --object-directory "$build" --filter src/ --exclude-unreachable-branches \
    --gcov-ignore-parse-errors -j "$(nproc)" \
    --html-details "$build/html/index.html" --json-summary "$build/coverage.json" \
    2>"$build/gcovr.log" || { tail -n 20 "$build/gcovr.log" >&2 && exit 1; }
python3 - "$build/coverage.json" <<'PYTHON'
import collections
import json
import sys

kinds = ("line", "branch")
rooms = collections.defaultdict(collections.Counter)
for file in json.load(open(sys.argv[1], encoding="utf-8"))["files"]:
    for room in (file["filename"].rsplit("/", 1)[0], "all"):
        for key in (f"{kind}_{what}" for kind in kinds for what in ("covered", "total")):
            rooms[room][key] += file[key]
print(f"{'room':<12} {'lines':>8} {'reached':>8} {'branches':>9} {'reached':>8}")
for room in sorted(rooms, key=lambda name: (name == "all", name)):
    n = rooms[room]
    lines, branches = (100 * n[f"{kind}_covered"] / max(1, n[f"{kind}_total"]) for kind in kinds)
    print(f"{room:<12} {n['line_total']:8d} {lines:6.1f} % {n['branch_total']:9d} {branches:6.1f} %")
PYTHON
