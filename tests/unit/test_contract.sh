#!/usr/bin/env bash
# Every operation of LENET_OPS is everywhere where an operation has to be; and for one that is nowhere, this test says
# which files want what.
#   test_contract.sh SOURCE_DIR
set -euo pipefail
cd "$1"

fail() {
    printf '%s\n' "FAILED: $1" "${@:2}"
    exit 1
}

# The operations of the tree in the current directory.
operations() {
    sed -n '/#define LENET_OPS/,/^$/p' include/lenet/ops.h | grep -oE 'X\([a-z_0-9]+\)' | tr -d 'X()'
}

# missing OPERATION: a line for each place of the tree in the current directory that lacks it.
missing() {
    local operation=$1 files twin stem
    # wanted WHAT EXPRESSION FILES: some of the files has a line like this expression.
    wanted() {
        mapfile -t files < <(compgen -G "$3")
        grep -qE "$2" "${files[@]}" || echo "$operation: $1 is missing in $3"
    }
    wanted "its arguments, struct $operation," "^struct $operation \{" "include/lenet/ops.h"
    wanted "its limits, LENET_OK_IF($operation, ...)," "^LENET_OK_IF\($operation," "src/ops/preconditions.h"
    wanted "its CPU twin, CPU_NAME($operation)," "CPU_NAME\($operation\)\(" "src/cpu/*.c"
    wanted "its CUDA twin, ${operation}_cuda," "\b${operation}_cuda\(" "cuda/*.cu"
    wanted "its caller, RUN($operation, ...)," "\b$operation\b" "src/net/*.c"
    wanted "its samples, Fill(Sample<$operation> &, int)," "Fill\(Sample<$operation> " "tests/support/samples.h"
    wanted "a test of its values" "\b$operation\b" "tests/ops/test_*.cc"
    while read -r twin; do
        stem=$(basename "$twin" .c)
        stem=${stem%_batch1} # the same tests run on the operations for batches of one image
        [ -e "tests/ops/test_$stem.cc" ] || echo "$operation: $twin has no tests/ops/test_$stem.cc"
        [ -e "cuda/$stem.cu" ] || echo "$operation: $twin has no cuda/$stem.cu"
    done < <(grep -lE "CPU_NAME\($operation\)\(" src/cpu/*.c)
}

count=$(operations | wc -l)
[ "$count" -ge 10 ] || fail "LENET_OPS could not be read from include/lenet/ops.h"
complaints=$(for operation in $(operations); do missing "$operation"; done)
[ -z "$complaints" ] ||
    fail "operations that are not everywhere where CONTRIBUTING.md, \"To add an operation\", wants them:" "$complaints"

# An operation that is nowhere is missed everywhere.
complaints=$(missing forgotten_step)
for place in include/lenet/ops.h src/ops/preconditions.h 'src/cpu/*.c' 'cuda/*.cu' 'src/net/*.c' \
    tests/support/samples.h 'tests/ops/test_*.cc'; do
    grep -qF "is missing in $place" <<<"$complaints" || fail "nobody would notice an operation that is not in $place"
done

echo "every operation of the contract is everywhere where it has to be: $count"
