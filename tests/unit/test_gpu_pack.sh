#!/usr/bin/env bash
# test_gpu_pack.sh LENET_PROGRAM SOURCE_DIR - what gpu_pack.sh makes of the build that LENET_PROGRAM lies in works by
# itself, from an empty directory and with an empty environment.
# shellcheck source=tests/support/shell.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/shell.sh" "$@"

build=$(dirname "$program")
# run COMMAND...: its exit code is in code.
run() {
    "$@" >"$work/out" 2>"$work/err"
    code=$?
}
pack=("$source_dir/scripts/gpu_pack.sh" --build "$build" --data "$sample")
run "${pack[@]}"
claim "no directory: exit 2" code_is 2
run "${pack[@]}" "$source_dir/data"
claim "a directory that is not empty: exit 2" code_is 2
claim "  says so" complains "not empty"
run "${pack[@]}" --architecture hopper there
claim "an architecture of no number: exit 2" code_is 2
run "${pack[@]}" --build "$work" there
claim "no build: exit 3" code_is 3
claim "  and nothing is made" test ! -e there

mkdir elsewhere
cp "$sample"/* elsewhere
gzip -d elsewhere/*.gz
mkdir bin
printf '#!/bin/sh\nexit 1\n' >bin/gzip
chmod +x bin/gzip
run env PATH="$work/bin:$PATH" "${pack[@]}" --data elsewhere pack
claim "data that cannot be packed: exit 1" code_is 1
claim "  and half a folder is not left" test -z "$(ls -d pack* 2>/dev/null)"
run "${pack[@]}" --data elsewhere pack
claim "a build is packed: exit 0" code_is 0
claim "  with the data" test "$(ls pack/data/mnist)" = "$(ls "$sample")"
claim "  with what the model says of it" cmp "$source_dir/docs/kernels_predicted.tsv" pack/docs/kernels_predicted.tsv
claim "  with tests that have to do with a GPU" test -x pack/build/tests/test_conv
claim "  not with others" test ! -e pack/build/tests/test_json -a ! -e pack/build/tests/test_conv_emulated
# foreign: libraries that the program would take from this machine.
foreign() {
    env LD_LIBRARY_PATH=pack/lib ldd pack/build/lenet | awk '$2 == "=>" {print $3}' | grep -vE '^pack/lib/' |
        grep -vE '/(libc|libm|libdl|libpthread|librt)\.so'
}
claim "  with every library but the C library" test -z "$(foreign)"

mv pack moved
mkdir empty && cd empty || exit 1
run env -i PATH="$PATH" LD_LIBRARY_PATH=../moved/lib ../moved/build/lenet train --data ../moved/data/mnist --steps 2 \
    --device cpu --run run
claim "elsewhere its program trains: exit 0" code_is 0
run env -i PATH="$PATH" LD_LIBRARY_PATH=../moved/lib LENET_SOURCE_DIR="$work/moved" ../moved/build/tests/test_batch \
    --gtest_filter='*cpu*'
claim "  its tests run: exit 0" code_is 0
if "$program" info | grep -q '^  cuda  *not available'; then
    run env -i PATH="$PATH" ../moved/check.sh
    claim "  its check finds no GPU: exit 4" code_is 4
    claim "  and says so" complains "no GPU to check"
fi
finish
