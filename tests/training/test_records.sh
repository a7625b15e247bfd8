#!/usr/bin/env bash
# test_records.sh LENET_PROGRAM SOURCE_DIR - records that do not belong together are refused by name before anything is
# written, and what only looks odd is read.
# shellcheck source=tests/support/shell.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/shell.sh" "$@"

cp -r "$sample" digits
mkdir others # the halves the other way round
for kind in images-idx3 labels-idx1; do
    cp "digits/train-$kind-ubyte.gz" "others/t10k-$kind-ubyte.gz"
    cp "digits/t10k-$kind-ubyte.gz" "others/train-$kind-ubyte.gz"
done
options=(--data digits --device cpu --threads 1 --arch linear --train-size 1000 --batch 8 --epochs 40)
lenet train "${options[@]}" --run undisturbed
: >"$work/out" # which says "epoch   3/" already
"$program" train "${options[@]}" --run killed --checkpoint-seconds 0.02 >"$work/out" 2>"$work/err" &
wait_for says "epoch   3/"
kill -KILL $!
wait $! 2>/dev/null
claim "a run that was killed has a checkpoint and some epochs" test -s killed/last.safetensors -a "$(wc -l <killed/metrics.jsonl)" -ge 3
rm -f killed/lock killed/.*.tmp.*

again() { rm -rf run && cp -r killed run; }
# refused TEXT PIECE -- ARGUMENT...: one line with this in it, and `run` as it was.
refused() {
    local text=$1 piece=$2 before
    shift 3
    before=$(contents run)
    lenet "$@"
    claim "$text: refused" test "$code" -eq 2 -o "$code" -eq 3
    claim "  says why" complains "$piece"
    claim "  in one line" test "$(wc -l <"$work/err")" -eq 1
    claim "  and leaves all as it was" test "$(contents run)" = "$before"
}
same_run() { cmp "$1/last.safetensors" "$2/last.safetensors" && [ "$(untimed "$1" | sed '/^\r*$/d; s/\r$//')" = "$(untimed "$2" | sed '/^\r*$/d; s/\r$//')" ]; }
# goes_on TEXT ARGUMENT...: the run ends with the files of the undisturbed one.
goes_on() {
    local text=$1
    shift
    lenet train "$@"
    claim "$text: exit 0" code_is 0
    claim "  ends as the run that nothing disturbed" same_run undisturbed run
}

# ---- a run ------------------------------------------------------------------------------------------------

again && rm run/last.safetensors
refused "a resume without its checkpoint" "run: last.safetensors is missing" -- train --resume run
again && rm run/last.safetensors run/metrics.jsonl
goes_on "a run killed before its first checkpoint" --resume run
claim "  says that it begins again" complains "run: it has no checkpoint yet, and begins again"
for damage in '2s/.*/x/' '2s/"test_accuracy":[0-9.]*/"test_accuracy":7/' '2s/.*/{}/' '2s/"step":[0-9]*/"step":1/' '2p'; do
    again && sed -i "$damage" run/metrics.jsonl
    refused "a damaged line of metrics.jsonl (sed $damage)" "run/metrics.jsonl line" -- train --resume run
done
again && cp undisturbed/last.safetensors run
refused "the weights of a run that has ended, in one that has not" "last.safetensors: has the weights of a run that has ended" -- \
    train --resume run
rm -r run && cp -r undisturbed run && sed -i 's/"epochs":\t40/"epochs":\t50/' run/run.json
refused "a run that has ended, and more epochs written into run.json" "or was run.json edited?" -- train --resume run
again
refused "a resume of a file" "run/last.safetensors: a file, wanted the directory of a run" -- train --resume run/last.safetensors
refused "a sweep into a run's directory" "run: this is a single run's directory; give another --out" -- \
    sweep --data digits --epochs 1 --out run
again && sed -i 's/"hash":\t"./"hash":\t"x/' run/run.json
refused "a resume of other data in the same place" "which was another one there" -- train --resume run
again && sed -i 's/$/\r/' run/metrics.jsonl
goes_on "lines that end in CRLF" --resume run
again && sed -i 's/$/\n/' run/metrics.jsonl
goes_on "blank lines" --resume run
again && printf '{"epoch":3,"st' >>run/metrics.jsonl
goes_on "a torn last line" --resume run
claim "  which is cut off" test "$(wc -l <run/metrics.jsonl)" -eq 40

# Whatever is edited in run.json between two processes is named, and the checkpoint's word counts.
for edit in 's/"lr": *[^,]*/"lr": 0.06/ --lr' 's/"seed": *[^,]*/"seed": 77/ --seed' \
    's/"augment-shift": *[^,]*/"augment-shift": 1/ --augment-shift' 's/"optimizer": *[^,]*/"optimizer": "momentum"/ --optimizer'; do
    again && sed -i "${edit% *}" run/run.json
    refused "a run.json that was edited (${edit##* })" "was trained with ${edit##* }" -- train --resume run
done
again && head -n -2 killed/metrics.jsonl >run/metrics.jsonl
refused "a metrics.jsonl without its last lines" "do not fit the checkpoint" -- train --resume run
again && rm run/metrics.jsonl
refused "a resume without metrics.jsonl" "do not fit the checkpoint" -- train --resume run

# ---- where its data are ----------------------------------------------------------------------------------------

again
mkdir elsewhere && cd elsewhere || exit
ln -s ../run run
refused "a resume where the recorded path leads nowhere" "the run began with --data digits, which is not found from here" \
    -- train --resume ../run
refused "an eval there" "the run began with --data digits, which is not found from here" -- eval --run ../run
refused "a resume with a mistyped --data" "digitz" -- train --resume ../run --data ../digitz
refused "a resume with other data" "the data set in ../others is not the one the run began with" -- \
    train --resume ../run --data ../others
rm run && cd .. || exit
cd elsewhere && ln -s ../run run && ln -s ../undisturbed undisturbed
goes_on "a resume that says where the same data are" --resume run --data ../digits
lenet eval --run run --data ../digits
claim "an eval that does: exit 0" code_is 0
cd .. && rm -r elsewhere

# ---- a sweep -----------------------------------------------------------------------------------------------------

sweep=(sweep --device cpu --threads 1 --arch linear --train-size 100 --epochs 1 --out run)
rm -r run
lenet "${sweep[@]}" --data digits --seed 1,2
claim "a sweep: exit 0" code_is 0
refused "the same sweep of other data" "run/runs.jsonl line 1: a run on the data in digits" -- "${sweep[@]}" --data others --seed 1,2
refused "a run into a sweep's directory" "run: this is a sweep's directory; give another --run" -- \
    train --data digits --epochs 1 --run run
refused "a resume of a sweep" "run: this is a sweep's directory, not a run's" -- train --resume run
refused "a shard of it" "run/runs.jsonl line 1: a run on the data in digits" -- \
    "${sweep[@]}" --data others --seed 1,2 --shard 2/2
lenet report run
claim "  so that it can be reported still: exit 0" code_is 0
sed 's/$/\r/; G' run/runs.jsonl >odd && mv odd run/runs.jsonl
lenet "${sweep[@]}" --data digits --seed 1,2
claim "blank lines, and lines that end in CRLF: nothing is done again" says "2 ended already; 0 populations"
lenet report run
claim "  and a report is made" code_is 0
lenet "${sweep[@]}" --data digits --seed 1,2 --warmup 3
lenet "${sweep[@]}" --data digits --seed 1,2 --lr 0.03
claim "a directory with other runs: says how many" says "4 other runs are in it already"
claim "  and how to go on where it began with a warm-up of three epochs" says "with --warmup 3, which was once the initial"
cp run/runs.jsonl good && sed -i '3s/"test_accuracy":[0-9.]*/"test_accuracy":7/' run/runs.jsonl
refused "a record of more than all images right" "run/runs.jsonl line 3: element 0 of metrics" -- report run
mv good run/runs.jsonl
sed -i '1s/"lr":0.05/"lr":0.06/' run/runs.jsonl
refused "a record that was edited" "run/runs.jsonl line 1: its id" -- "${sweep[@]}" --data digits --seed 1,2
refused "  by the report, too" "run/runs.jsonl line 1: its id" -- report run

finish
