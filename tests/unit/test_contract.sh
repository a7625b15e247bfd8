#!/usr/bin/env bash
# Every operation of LENET_OPS has its CPU twin and its tests. ("lenet bench" makes the benchmark of each from the
# list itself.) And each of the stems that carry them can be found by name.
#   test_contract.sh SOURCE_DIR
set -euo pipefail
cd "$1"

failed=0
complain() {
    echo "FAILED: $1"
    failed=1
}

operations=$(sed -n '/#define LENET_OPS/,/^$/p' include/lenet/ops.h | grep -oE 'X\([a-z_]+\)' | tr -d 'X()')
[ "$(wc -w <<<"$operations")" -ge 10 ] || complain "LENET_OPS could not be read from include/lenet/ops.h"

for operation in $operations; do
    grep -qE "^struct $operation \{" include/lenet/ops.h || complain "$operation: no struct of its name in ops.h"
    twins=$(grep -lE "CPU_NAME\($operation\)" src/cpu/*.c) || complain "$operation: no CPU twin in src/cpu"
    grep -lqwE "$operation" tests/ops/test_*.cc || complain "$operation: no test in tests/ops"
    for twin in $twins; do
        stem=$(basename "$twin" .c)
        stem=${stem%_batch1} # the same tests run on the operations for batches of one image
        [ -e "tests/ops/test_$stem.cc" ] || complain "$operation: $twin has no tests/ops/test_$stem.cc"
    done
done

[ "$failed" = 0 ] && echo "every operation of the contract has its twin and its test: $(wc -w <<<"$operations")"
exit "$failed"
