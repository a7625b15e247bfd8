#!/usr/bin/env bash
# threads.sh - builds what has threads under ThreadSanitizer, without suppressions, and runs it: the pool of threads,
# locks, stopped training, sweeps, and whole commands with signals in their midst. On a CPU: the emulated GPU's kernels
# have hooks of their own.
#
# Exit codes: 0 nothing was found, 1 something was, 3 what is missing cannot be installed.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

need_packages "${build_packages[@]}" libgtest-dev python3-pil
cd "$root"
mkdir -p build
step "building"
cmake --preset tsan >build/threads.log
cmake --build --preset tsan >>build/threads.log || { tail -n 60 build/threads.log >&2 && exit 1; }
export TSAN_OPTIONS="exitcode=66 ${TSAN_OPTIONS:-}"
failures=0
# run COMMAND...
run() {
    step "$*"
    "$@" >build/threads.log 2>&1 || { failures=1 && tail -n 60 build/threads.log >&2; }
}
tests=build/tsan/tests
run $tests/test_parallel
run $tests/test_queue
run $tests/test_lock
run $tests/test_stop
run $tests/test_train --gtest_filter='*Threads*:Resume.*Steps*:SingleImages.*:*WithEverySchedule*'
run $tests/test_sweep --gtest_filter='*AndTheThreads:*RandomMoments*:*MixedSweep:*ADivergedMember*:*Shards*:SweepLock.*'
run tests/training/test_threads.sh build/tsan/lenet .
exit $failures
