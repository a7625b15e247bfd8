#!/usr/bin/env bash
# test_hostile_files.sh LENET_PROGRAM SOURCE_DIR - in the place of each file that the program reads there is a pipe that
# nobody writes to, a device without an end, a terabyte of nothing, and a directory: it ends, says which, and takes no
# memory for it. A pipe that is written to is a file.
# shellcheck source=tests/support/shell.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/shell.sh" "$@"

options=(--data "$sample" --device cpu --threads 1 --arch lenet1 --train-size 64 --epochs 1)
lenet train "${options[@]}" --run run
lenet sweep "${options[@]}" --out sweep --keep-weights
for name in last.safetensors metrics.jsonl run.json; do cp -r run "with-$name"; done
for name in runs.jsonl sweep.json; do mkdir "with-$name" && cp sweep/sweep.json "with-$name"; done
mkdir odd
for name in data packed classes; do mkdir "$name" && cp "$sample"/t10k-* "$name"; done
rm data/t10k-images*

# place FILE KIND: puts it there.
place() {
    rm -rf "$1"
    case $2 in
    pipe) mkfifo "$1" ;;
    device) ln -s /dev/zero "$1" ;;
    terabyte) truncate -s 1T "$1" ;;
    directory) mkdir "$1" ;;
    esac
}
# Each is a file, and the command that reads it; checked at once, for a pipe is given some seconds.
readers=(
    "data/t10k-images-idx3-ubyte eval --run run --data data"
    "packed/t10k-images-idx3-ubyte.gz eval --run run --data packed"
    "classes/classes.txt eval --run run --data classes"
    "odd/weights eval --data $sample --weights odd/weights"
    "odd/weights predict --weights odd/weights $work/odd/weights"
    "odd/weights export --data $sample --weights odd/weights --format c --out x.c"
    "odd/from train ${options[*]} --run from --from odd/from"
    "odd/from sweep ${options[*]} --out from-sweep --from odd/from"
    "odd/image predict --run run odd/image"
    "with-run.json/run.json eval --run with-run.json"
    "with-run.json/run.json train --resume with-run.json"
    "with-last.safetensors/last.safetensors train --resume with-last.safetensors"
    "with-metrics.jsonl/metrics.jsonl train --resume with-metrics.jsonl"
    "with-runs.jsonl/runs.jsonl report with-runs.jsonl"
    "with-runs.jsonl/runs.jsonl sweep ${options[*]} --out with-runs.jsonl"
    "with-sweep.json/sweep.json sweep ${options[*]} --out with-sweep.json"
)
# attempt FILE ARGUMENT...: leaves what it printed and its exit code, beside the file's number.
attempt() {
    local number=$1
    shift
    (
        ulimit -v 4000000
        timeout -s KILL 120 "$program" "$@" >"out.$number" 2>"err.$number"
        echo $? >"code.$number"
    )
}
for kind in pipe device terabyte directory; do
    for reader in "${readers[@]}"; do place "${reader%% *}" "$kind"; done
    for i in "${!readers[@]}"; do
        read -ra words <<<"${readers[i]}"
        attempt "$i" "${words[@]:1}" &
    done
    wait
    for i in "${!readers[@]}"; do
        read -ra words <<<"${readers[i]}"
        cp "err.$i" err
        code=$(cat "code.$i")
        claim "$kind as ${words[0]}, ${words[*]:1:2}: exit 3" code_is 3
        claim "  which is named" complains "$(basename "${words[0]}")"
        claim "  in one line" test "$(wc -l <"err.$i")" -le 2
    done
done

claim "weights from a pipe are read" "$program" eval --data "$sample" --weights <(cat run/last.safetensors)
"$program" export --data "$sample" --weights <(cat run/last.safetensors) --format c --out piped.c >out 2>err
"$program" export --data "$sample" --weights run/last.safetensors --format c --out plain.c >out 2>err
claim "  and exported as those of a file" cmp piped.c plain.c
lenet train "${options[@]}" --run begun --from <(cat run/last.safetensors)
claim "  and begun from" code_is 0

odd=$work/$(printf 'caf\351') # no UTF-8
cp -r "$sample" "$odd"
lenet train "${options[@]}" --data "$odd" --run latin1 --epochs 1000000 &
wait_for test -s latin1/last.safetensors
kill -INT "$(pgrep -P $!)" && wait
claim "a data set under a name that is no UTF-8: run.json is UTF-8" iconv -f UTF-8 -t UTF-8 -o out latin1/run.json
lenet eval --run latin1
claim "  and the data are found again" code_is 0
claim "  eval.json is UTF-8, too" iconv -f UTF-8 -t UTF-8 -o out latin1/eval.json

finish
