#!/usr/bin/env bash
# faults.sh [--every N] [--only WORD] [--kinds KIND,...] - lets every single call fail, or with --every each N-th, in
# every scenario of tests/training/test_faults.py: allocations, files, threads and output, and the emulated GPU's calls,
# once and from then on, on all cores. --only takes the scenarios whose name has the word, --kinds some kinds of fault.
#
# A line for each fault that is answered wrongly and for each scenario, then a table of the kinds, faults/wrong, and a
# total. Exit codes: 0 none was wrong, 1 one was or the build failed, 2 usage, 3 what is missing cannot be installed.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

every=(--every 1)
case " $* " in *" --every "*) every=() ;; esac
need_packages "${build_packages[@]}" libgtest-dev python3-pil
step "building"
build_preset release "$root/build/faults-build.log" faults || exit 1
build=$root/build/release
if [ -z "${TMPDIR:-}" ] && [ -w /dev/shm ]; then export TMPDIR=/dev/shm; fi # where fsync takes no time
"$(python_with PIL)" "$root/tests/training/test_faults.py" "$build/lenet" "$build/tests/liblenet_faults.so" \
    "$build/tests/lenet_emulated" --jobs "$(nproc)" "${every[@]}" "$@"
