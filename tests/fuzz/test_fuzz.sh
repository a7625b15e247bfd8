#!/usr/bin/env bash
# test_fuzz.sh LENET_PROGRAM DIRECTORY - runs every fuzz target of a build directory, which has no libFuzzer, on the
# corpus and on a fixed number of inputs that are made from it.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/common.sh"

count=10000
corpus=$(mktemp -d)
trap 'rm -rf "$corpus"' EXIT
if ! python=$(python_with PIL); then echo "no python3 here can import PIL" && exit 77; fi
"$python" "$root/tests/fuzz/seeds.py" "$1" "$corpus"
failed=0 targets=0
for source in "$root"/tests/fuzz/fuzz_*.c; do
    name=$(basename "$source" .c)
    targets=$((targets + 1))
    printf '%s: ' "$name"
    "$2/$name" "$count" "$corpus/$name" || failed=$((failed + 1))
done
echo "$targets targets, $failed failed"
[ "$failed" -eq 0 ]
