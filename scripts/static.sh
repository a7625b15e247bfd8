#!/usr/bin/env bash
# static.sh [ANALYZER...] - reads the C files of src without running them: cppcheck, gcc's analyzer and clang-tidy, or
# those of them that are named: cppcheck, gcc, clang-tidy.
#
# Exit codes: 0 nothing was found, 1 something was, 2 usage, 3 what is missing cannot be installed.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

analyzers=("$@")
if [ $# -eq 0 ]; then analyzers=(cppcheck gcc clang-tidy); fi
cd "$root"
# configure DIRECTORY [CMAKE OPTION...]
configure() { cmake --preset release -B "$1" -DLENET_LEVELS=OFF -DLENET_CUDA=OFF -DBUILD_TESTING=OFF "${@:2}" >/dev/null; }

run_cppcheck() {
    configure build/static
    cppcheck --project=build/static/compile_commands.json --enable=warning,performance,portability --std=c11 \
        --quiet --error-exitcode=1 -j "$(nproc)"
}

# Without what gcc 12 reports of right code:
#   malloc-leak: of memory that is handed over to the caller's structures
#   use-of-uninitialized-value: of elements of arrays that calloc, {0} or a call in another file has filled
#   shift-count-overflow: of vectors, whose number of bytes it takes for that of an element's bits
# Leaks and such values are what AddressSanitizer and the tests of failing allocations look for.
run_gcc() {
    configure build/analyzer -DCMAKE_C_COMPILER=gcc -DCMAKE_C_FLAGS="-fanalyzer -Wno-analyzer-malloc-leak \
-Wno-analyzer-use-of-uninitialized-value -Wno-analyzer-shift-count-overflow -Wno-unused-value \
-I$root/include -include $root/scripts/static.h"
    cmake --build build/analyzer --clean-first -- -k 0 >build/analyzer.log || { cat build/analyzer.log && return 1; }
}

run_clang_tidy() {
    configure build/static
    find src -name '*.c' -print0 | sort -z | xargs -0 -P "$(nproc)" -n 1 clang-tidy -p build/static --quiet \
        --extra-arg=-I"$root" --extra-arg=-include --extra-arg="$root/scripts/static.h" \
        2> >(grep -vE '^[0-9]+ warnings? generated' >&2)
}

packages=("${build_packages[@]}")
for analyzer in "${analyzers[@]}"; do
    case $analyzer in
    gcc) ;;
    cppcheck | clang-tidy) packages+=("$analyzer") ;;
    *) echo "usage: static.sh [cppcheck] [gcc] [clang-tidy]" >&2 && exit 2 ;;
    esac
done
need_packages "${packages[@]}"
failures=0
for analyzer in "${analyzers[@]}"; do
    step "$analyzer"
    case $analyzer in
    cppcheck) run_cppcheck ;;
    gcc) run_gcc ;;
    clang-tidy) run_clang_tidy ;;
    esac || failures=1
done
exit $failures
