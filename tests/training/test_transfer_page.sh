#!/usr/bin/env bash
# test_transfer_page.sh LENET_PROGRAM SOURCE_DIR - the example of docs/transfer.md does what the page says of it.
# shellcheck source=tests/support/shell.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/shell.sh" "$@"

ln -s "$source_dir/data" data
mkdir bin
ln -s "$program" bin/lenet
# shellcheck disable=SC2016
sed -n '/^```sh$/,/^```$/p' "$source_dir/docs/transfer.md" | sed '1d;$d' >example.sh
PATH=$work/bin:$PATH bash -e example.sh >out 2>err
code=$?
claim "the example runs: exit 0" code_is 0
claim "  says that the last layer is drawn anew" grep -q 'digits/last.safetensors: .* 10 classes, .* 2: drawn anew' err
# error RUN: of the last epoch, in percent.
error() { sed -nE '$s/.*"test_accuracy":([0-9.]+).*/\1/p' "runs/$1/metrics.jsonl" | awk '{ print 100 * (1 - $1) }'; }
echo "error: $(error parity) % from trained weights, $(error parity-alone) % without"
claim "  trained weights lead to some 4 % error" awk -v e="$(error parity)" 'BEGIN { exit !(e < 6) }'
claim "  and without them it is at some 50 %" awk -v e="$(error parity-alone)" 'BEGIN { exit !(e > 40) }'
claim "  the run says what it began from" grep -q '"from":.*"runs/digits/last.safetensors"' runs/parity/run.json

lenet train --resume runs/parity --from runs/digits/best.safetensors
claim "another file than it began from is refused: exit 3" code_is 3
lenet train --data parity --run no --freeze C2
claim "a layer that is not there is refused: exit 2" code_is 2
claim "  with those that are" complains "C1, C3, C5, F6, output"
lenet train --data parity --run no --from parity
claim "a directory is no file: exit 3" code_is 3
lenet sweep --data data/sample --out no --from runs/digits/last.safetensors --arch lenet4 --epochs 1
claim "a sweep refuses weights of another architecture: exit 3" code_is 3
claim "  by the tensor and its shape" complains "C1.weight"
claim "  and leaves nothing" test ! -e no
lenet sweep --data data/sample --out no --from runs/digits/last.safetensors --arch lenet5,lenet4 --epochs 1
claim "  also where it is one of several" complains "C1.weight"

finish
