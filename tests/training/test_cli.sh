#!/usr/bin/env bash
# test_cli.sh LENET_PROGRAM SOURCE_DIR - whatever is wrong with the input gets one line that names it, the right exit
# code, and leaves every file as it was.

# Mounts are made in a namespace of this script's own, where that is permitted: nobody else sees them.
if [ -z "${LENET_TEST_MOUNTS:-}" ]; then
    export LENET_TEST_MOUNTS=no
    for namespace in "unshare --mount" "unshare --map-root-user --mount"; do
        # shellcheck disable=SC2086  # words
        if $namespace mount -t tmpfs none /mnt 2>/dev/null; then LENET_TEST_MOUNTS=yes exec $namespace "$0" "$@"; fi
    done
fi
# shellcheck source=tests/support/shell.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/shell.sh" "$@"

tree=$work/tree # all that a command could harm
mkdir -p "$tree/data/good"
cd "$tree" || exit 1

# refused TEXT CODE PIECE... -- ARGUMENT...: lenet ends with this code and one line that holds every piece.
refused() {
    local text=$1 want=$2 pieces=()
    shift 2
    while [ "$1" != -- ]; do pieces+=("$1") && shift; done
    shift
    contents "$tree" >"$work/before"
    lenet "$@"
    contents "$tree" >"$work/after"
    claim "$text" is_refused "$want" "lenet $1: " "${pieces[@]}"
}
is_refused() {
    local want=$1 piece
    shift
    code_is "$want" || missed "exit code $code, wanted $want" || return
    [ "$(wc -l <"$work/err")" -eq 1 ] || missed "wanted one line" || return
    [ -z "$(tail -c 1 "$work/err")" ] || missed "the line does not end" || return
    for piece; do complains "$piece" || missed "wanted '$piece'" || return; done
    diff "$work/before" "$work/after" >>"$work/err" || missed "these files are not as they were"
}
# missed TEXT: says what is not as wanted, and fails.
missed() {
    echo "test_cli.sh: $1" >>"$work/err"
    false
}

# ---- the usual way -------------------------------------------------------------------------------

for file in "$sample"/*.gz; do
    name=${file##*/}
    gunzip -c "$file" >"data/good/${name%.gz}"
done
train=(train --data data/good --device cpu --threads 1 --train-size 64 --batch 16 --epochs 2)

lenet "${train[@]}" --run good
claim "a run: exit 0" code_is 0
claim "  it complains of nothing" is_quiet
claim "  a line of output for each epoch, one before and one after" test "$(wc -l <"$work/out")" -eq 4
claim "  a line of metrics for each epoch" test "$(wc -l <good/metrics.jsonl)" -eq 2
lenet eval --run good
claim "its evaluation: exit 0" code_is 0
claim "  with the accuracy and its interval" grep -qE '^accuracy [0-9.]+ %, 95 % interval [0-9.]+ to [0-9.]+; error' "$work/out"
claim "  on the data that it was trained on" says "(data/good)"
claim "  kept as eval.json" test -s good/eval.json
before=$(contents good)
cp good/last.safetensors copied.safetensors
lenet eval --run good --weights copied.safetensors
claim "an evaluation of other weights: exit 0" code_is 0
claim "  says that it is not kept, and how it would be" says "not kept in good/eval.json" && says "--json"
mkdir data/half
cp data/good/t10k-* data/half
lenet eval --run good --data data/half --json half.json
claim "an evaluation on a test half alone: exit 0" code_is 0
claim "  kept where it was told to be, with the half's hash" grep -q '"test_hash"' half.json
claim "  and the run's own results are as they were" test "$(contents good)" = "$before"
rm -r copied.safetensors half.json data/half
lenet train --resume good
claim "resuming a run that has ended: exit 0" code_is 0
claim "  says so" says "good had ended already"
claim "  and changes nothing" test "$(contents good)" = "$before"
lenet info --weights good/last.safetensors
claim "info of its weights: exit 0" code_is 0
claim "  tensor by tensor" says "F6.weight"
lenet info
claim "info alone: exit 0" code_is 0
claim "  with the published counts" says "61706"
claim "  with the recipes" says "--batch 128 --epochs 2 --lr 0.1 --warmup 0.5"
lenet info --json info.json
claim "  also as JSON" grep -q '"parameters":.*61706' info.json
claim "  with the activation of four layers" test "$(grep -c '"activation":.*"relu"' info.json)" = 4
claim "  and the pooling of two" test "$(grep -c '"pooling":.*"max"' info.json)" = 2
rm -f info.json
lenet bench --forward --arch linear --batch 3 --device cpu --json bench.json
claim "how long answers take: exit 0" code_is 0
claim "  as median and percentile" says "99 % within"
claim "  in order in a file" python3 -c 'import json
b = json.load(open("bench.json"))
assert b["batch"] == 3 and b["passes"] > 0
assert 0 < b["fastest_seconds"] <= b["median_seconds"] <= b["p99_seconds"]'
rm -f bench.json
lenet gradcheck --arch linear --entries 20
claim "gradcheck: exit 0" code_is 0
claim "  the tables of both kinds of batches" says "cpu against the CPU in double"
claim "  ... and of single images" says "cpu_batch1 against the CPU in double"
lenet gradcheck --arch linear --entries 5 --device cpu --seed 4 --json check.json
claim "  results in a file" grep -q '"against_double"' check.json
claim "  ... of single images, too" grep -q '"against_double_single_images"' check.json
for seed in 1 2 3 4; do
    lenet gradcheck --arch lenet5-1998 --entries 1 --seed $seed
    claim "gradcheck: the entry of C3 that is drawn exists, seed $seed" code_is 0
done

# Of these, all but --epochs, which has no effect beside --steps.
"$program" "${train[@]:0:${#train[@]}-2}" --steps 1000000000 --validation 100 --patience 1000000 --run begun >"$work/out" 2>"$work/err" &
wait_for test -s begun/metrics.jsonl
kill -TERM $! && wait $!
code=$?
claim "an endless run that is told to stop ends by the signal" code_is 143
claim "  says how to go on" says "lenet train --resume begun"
claim "  and complains of nothing" is_quiet

sweep=(sweep "${train[@]:1}" --seed "1,2" --out kept --keep-weights)
lenet "${sweep[@]}"
claim "a sweep that keeps its weights: exit 0" code_is 0
rm kept/weights/*
lenet "${sweep[@]}"
claim "the same again without them: exit 3" code_is 3
claim "  says in the plan and at the end that they are gone" says "(2 without weights)" && complains "kept/weights: lacks 2 runs"
claim "  and that all runs had ended" says "done: 0 runs"
lenet "${sweep[@]}" --keep-weights off
claim "  where they are not asked for: exit 0" code_is 0
rm -r kept

# ---- usage ----------------------------------------------------------------------------------------

lenet
claim "no arguments: exit 2" code_is 2
claim "  with the commands" grep -q '^usage: lenet COMMAND' "$work/out"
for arguments in "help" "--help" "-h" "predict --help" "train --help" "train -h" "train --lr 1 --help" "eval --help" "info --help" \
    "gradcheck --help" "bench --help" "--version" "help --markdown"; do
    # shellcheck disable=SC2086  # words
    lenet $arguments
    claim "$arguments: exit 0" code_is 0
    claim "  and something to read" test -s "$work/out"
    claim "  that is no complaint" is_quiet
done
lenet train --help
claim "the help names every option that a run records" test -z "$(
    sed -n '/"config"/,/}/s/^\t\t"\([a-z0-9-]*\)".*/--\1/p' good/run.json | grep -vwFf <(grep -oE -- '--[a-z0-9-]+' "$work/out")
)"

lenet fly
claim "an unknown command: exit 2" code_is 2
claim "  named in one line" grep -qx "lenet: 'fly' is not a command" "$work/err"

for pair in trian:train Sweep:sweep evaluate:eval inof:info bnech:bench reports:report grad-check:gradcheck; do
    lenet "${pair%:*}"
    claim "a mistyped command, ${pair%:*}: exit 2" code_is 2
    claim "  with what was meant, in one line" grep -qx "lenet: '${pair%:*}' is not a command; did you mean ${pair#*:}?" "$work/err"
done
lenet --lr 0.1
claim "options without a command: exit 2" code_is 2
claim "  with what is missing" complains "the command comes first, as in lenet train --lr"
lenet $'\e[31m'
claim "a command that a terminal would obey is not printed" complains "'?[31m' is not a command"
for arguments in "help train" "--help train" "-h train"; do
    lenet train --help
    cp "$work/out" "$work/help"
    # shellcheck disable=SC2086  # words
    lenet $arguments
    claim "$arguments: exit 0" code_is 0
    claim "  the help of that command" cmp "$work/out" "$work/help"
done
lenet help trian
claim "the help of a mistyped command: exit 2" code_is 2
claim "  with what was meant" complains "did you mean train?"
lenet gradcheck --help
claim "the help of gradcheck: its own initial seed" grep -q -- '--seed .*\[0\]' "$work/out"
lenet train --help
claim "  and that of train" grep -q -- '--seed .*\[1\]' "$work/out"

mkdir swept
echo '{}' >swept/sweep.json
for hint in "train good:--resume good" "eval good:--run good" "eval --device cpu good:--run good" \
    "info good:--weights good/last.safetensors" "info good/no.safetensors:--weights good/no.safetensors" \
    "eval good/last.safetensors --device cpu:--weights good/last.safetensors" "train data/good:--data data/good" \
    "sweep --lr 1,2 data/good --seed 1:--data data/good" "eval data/good:--data data/good" "train runs/new:--run runs/new" \
    "sweep swept:--out swept" "eval swept:--ensemble --weights swept/weights" "train swept:lenet report swept"; do
    # shellcheck disable=SC2086  # words
    refused "a path without an option: ${hint%%:*}" 2 "did you mean ${hint#*:}?" -- ${hint%%:*}
done
rm -r swept

refused "an unknown option" 2 "--epoch:" -- train --epoch 3
refused "an unknown option of eval" 2 "--batch" "lenet train, bench and sweep have it" -- eval --batch 3
refused "a word without dashes" 2 "'3'" -- train --epochs 2 3
refused "a missing value" 2 "--epochs" "N" -- train --epochs
refused "a value that is no number" 2 "--epochs" "'many'" -- train --epochs many
refused "a number with something behind it" 2 "--lr" "'0.1x'" -- train --lr 0.1x
refused "no number at all" 2 "--lr" "a value is missing" -- train --lr ''
refused "NaN" 2 "--lr" "'nan'" -- train --lr nan
refused "infinity" 2 "--lr" "'inf'" -- train --lr=inf
refused "a value below the range" 2 "--epochs" "0" "1 to" -- train --epochs 0
refused "a value above the range" 2 "--momentum" "1.5" "to 0.999999" -- train --momentum 1.5
refused "a fraction of a batch" 2 "--batch" "1.5" -- train --batch 1.5
refused "a choice that is none" 2 "--optimizer" "'adam'" "adamw" -- train --optimizer adam
refused "an augmentation that is none" 2 "--augment" "'blur'" -- train --augment shift=1,blur=2
refused "an augmentation out of range" 2 "--augment-shift" "99" -- train --augment shift=99
refused "a path that is too long" 2 "--run" "1023" -- train --run "$(printf '%2000s' '' | tr ' ' x)"
refused "a run's files would have too long paths" 2 "1023" -- "${train[@]}" --run "$(printf '%1020s' '' | tr ' ' x)"
refused "an unknown architecture" 2 "--arch" "'lenet6'" "lenet info" -- train --arch lenet6 --data data/good --run new
refused "an unknown architecture of info" 2 "--arch" "'lenet6'" -- info --arch lenet6
refused "an unknown device" 2 "--device" "'tpu'" -- "${train[@]}" --device tpu --run new
for number in x -1 +1 ' 1' 0x1 1e0 4294967296 ''; do
    refused "a device's number that is none" 2 "--device: 'cuda:$number'; wanted cuda:INDEX" -- "${train[@]}" --device "cuda:$number" --run new
done
refused "a list of devices for one network" 2 "'cuda:0,cuda:1' is a list of devices, which only lenet sweep takes" -- \
    "${train[@]}" --device cuda:0,cuda:1 --run new
refused "a device twice" 2 "'cuda:0,cuda' has the GPU cuda:0 twice" -- \
    sweep --data data/good --device cuda:0,cuda --out new
refused "a list with a CPU" 2 "'cpu' in 'cpu,cuda:0'; a list is of GPUs" -- \
    sweep --data data/good --device cpu,cuda:0 --out new
refused "both --run and --resume" 2 "--run" "--resume" -- train --run new --resume good
refused "more validation than data" 2 "--validation" "2000" -- "${train[@]}" --validation 2000 --run new
refused "a larger subset than there is" 2 "--train-size" "2001" "2000" -- "${train[@]}" --train-size 2001 --run new
refused "patience without validation" 2 "--patience" "--validation" -- "${train[@]}" --patience 3 --run new
refused "eval without weights" 2 "--run" "--weights" -- eval --data data/good
lenet info
claim "info says for which processors the CPU's operations are" says ", the highest that this processor has of "
export LENET_CPU=v9
refused "a level of processors that is none" 2 "LENET_CPU: 'v9' is not one of " -- "${train[@]}" --run new
lenet info
claim "  info says so" says "not available: LENET_CPU: 'v9' is not one of "
unset LENET_CPU
lenet info
if grep -q 'cuda *not available' "$work/out"; then
    refused "a device that is not there" 4 "--device cuda" -- "${train[@]}" --device cuda --run new
    refused "a device that is not there, for eval" 4 "--device cuda" -- eval --run good --device cuda
else
    skip "a device that is not there" "it is there"
fi
refused "what a terminal would obey is not printed" 2 "?[31m" -- train --arch $'\e[31m' --data data/good

# ---- data -----------------------------------------------------------------------------------------

# broken SET FILE: data/SET is like data/good, but for FILE, which becomes what is read here.
broken() {
    if [ ! -e "data/$1" ]; then
        mkdir "data/$1"
        ln -s ../good/{train-images-idx3-ubyte,train-labels-idx1-ubyte,t10k-images-idx3-ubyte,t10k-labels-idx1-ubyte} "data/$1"
    fi
    rm -f "data/$1/${2%.gz}" "data/$1/$2"
    cat >"data/$1/$2"
}
# refused_data TEXT SET PIECE...: by train; nothing is left of the run.
refused_data() {
    local text=$1 set=$2
    shift 2
    refused "$text" 3 "$@" -- train --data "data/$set" --run new
}
images=train-images-idx3-ubyte labels=train-labels-idx1-ubyte
test_images=t10k-images-idx3-ubyte test_labels=t10k-labels-idx1-ubyte

refused_data "no such data" nowhere data/nowhere
for file in $images $labels $test_images $test_labels; do
    broken "no-$file" "$file" </dev/null
    rm "data/no-$file/$file"
    refused_data "no $file" "no-$file" "$file: not found"
    broken empty "$file" </dev/null
    refused_data "an empty $file" empty "empty/$file" "0 bytes"
    head -c -1 "data/good/$file" | broken truncated "$file"
    refused_data "a truncated $file" truncated "truncated/$file" "cut short"
    head -c 7 "data/good/$file" | broken truncated "$file"
    refused_data "a $file cut in its header" truncated "truncated/$file"
    { cat "data/good/$file" && echo; } | broken oversized "$file"
    refused_data "an oversized $file" oversized "oversized/$file" "bytes added"
    { printf '\0\0\x0d' && tail -c +4 "data/good/$file"; } | broken magic "$file"
    refused_data "a wrong magic in $file" magic "magic/$file" "magic"
    { head -c 4 "data/good/$file" && printf '\0\0\0\0' && tail -c +9 "data/good/$file"; } | broken zero "$file"
    refused_data "no samples in $file" zero "zero/$file" "0 samples"
    echo "<html>404</html>" | broken page "$file"
    refused_data "a web page as $file" page "page/$file" "web page (HTML)" "<html>404"
    rm -r data/empty data/truncated data/oversized data/magic data/zero data/page
    broken directory "$file" </dev/null
    rm "data/directory/$file"
    mkdir "data/directory/$file"
    refused_data "a directory as $file" directory "directory/$file" "directory"
    rm -r data/directory
done
broken swapped "$images" <"data/good/$labels"
refused_data "labels as images" swapped "swapped/$images" "swapped"
broken swapped "$images" <"data/good/$images"
broken swapped "$labels" <"data/good/$images"
refused_data "images as labels" swapped "swapped/$labels" "swapped"
broken halves "$labels" <"data/good/$test_labels"
refused_data "the other half's labels" halves "halves/$labels" "500 labels" "2000 images"
broken twice "$test_images" <"data/good/$images"
broken label "$labels" < <(head -c 1007 "data/good/$labels" && printf '\x3f' && tail -c +1009 "data/good/$labels")
refused_data "a label of 63" label "label/$labels" "label 63 at index 999"
ln -sf "../good/$labels" "data/twice/$test_labels"
refused_data "the training set as the test set" twice "twice/$test_images" "same images"
# idx_images COUNT HEIGHT WIDTH: random images; sides below 256.
idx_images() {
    printf '\0\0\x08\x03'
    printf '\0\0\0%b' "\\0$(printf %o "$1")" "\\0$(printf %o "$2")" "\\0$(printf %o "$3")"
    head -c $(($1 * $2 * $3)) /dev/urandom
}
for file in $images $test_images; do idx_images 5 40 40 | broken large "$file"; done
for file in $labels $test_labels; do printf '\0\0\x08\x01\0\0\0\5\0\1\2\0\1' | broken large "$file"; done
refused_data "images that are too large for the network" large "40 x 40" "32 x 32" data/large
idx_images 5 40 41 | broken large "$test_images"
refused_data "halves of different sizes" large "large/$test_images" "40x41" "40x40"

for file in $images $test_labels; do
    gzip -c "data/good/$file" >"$work/packed"
    head -c -9 "$work/packed" | broken packed "$file.gz"
    refused_data "a truncated $file.gz" packed "packed/$file.gz" "corrupt gzip"
    middle=$(($(wc -c <"$work/packed") / 2))
    { head -c $middle "$work/packed" && printf 'damaged' && tail -c +$((middle + 8)) "$work/packed"; } | broken packed "$file.gz"
    refused_data "a damaged $file.gz" packed "packed/$file.gz" "corrupt gzip"
    { cat "$work/packed" && echo; } | broken packed "$file.gz"
    refused_data "something behind $file.gz" packed "packed/$file.gz" "corrupt gzip"
    broken packed "$file.gz" <"data/good/$file"
    refused_data "a raw file called $file.gz" packed "packed/$file.gz" "gzip"
    broken packed "$file.gz" </dev/null
    refused_data "an empty $file.gz" packed "packed/$file.gz"
    rm -r data/packed
    broken packed "$file" <"$work/packed"
    refused_data "a packed file called $file" packed "packed/$file" "should end in .gz"
    rm -r data/packed
done
refused "data that is refused by eval, too" 3 "label 63" -- eval --run good --data data/label
refused "data that is missing for eval" 3 "data/nowhere" -- eval --run good --data data/nowhere
idx_images 5 40 40 | broken large "$test_images"
refused "images that are too large for eval" 3 "40 x 40" "data/large" -- eval --run good --data data/large
find data -mindepth 1 -maxdepth 1 ! -name good -exec rm -r {} +

# ---- weights --------------------------------------------------------------------------------------

# damaged NAME: NAME.safetensors becomes what is read here.
damaged() { cat >"$1.safetensors"; }
# header JSON: a safetensors header of up to 255 bytes.
header() { printf '%b\0\0\0\0\0\0\0%s' "\\0$(printf %o ${#1})" "$1"; }
refused_weights() {
    local text=$1 file=$2
    shift 2
    refused "$text, for eval" 3 "$file" "$@" -- eval --weights "$file" --data data/good
    refused "$text, for info" 3 "$file" "$@" -- info --weights "$file"
}
good=good/last.safetensors
refused_weights "weights that are missing" no.safetensors
refused_weights "weights that are a directory" data
damaged empty </dev/null
refused_weights "an empty file of weights" empty.safetensors
head -c 5000 $good | damaged truncated
refused_weights "truncated weights" truncated.safetensors "truncated"
{ cat $good && echo; } | damaged oversized
refused_weights "weights with something behind them" oversized.safetensors
{ head -c 40 $good && printf '\1\1\1' && tail -c +44 $good; } | damaged header
refused_weights "weights with a damaged header" header.safetensors
{ head -c -4 $good && printf '\0\0\xc0\x7f'; } | damaged nan
refused_weights "a weight that is NaN" nan.safetensors "NaN"
{ head -c -4 $good && printf '\0\0\x80\x7f'; } | damaged infinite
refused_weights "a weight that is infinite" infinite.safetensors "infinite"
printf '\x89PNG\r\n\x1a\n0000000000000000' | damaged picture
refused_weights "a picture" picture.safetensors
{ header '{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}' && printf '\0\0\0\0'; } | damaged foreign
refused_weights "another program's weights" foreign.safetensors "metadata" "not a weights file of this program"
{ header '{"__metadata__":{"format":"pt"},"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}' && printf '\0\0\0\0'; } | damaged foreign
refused_weights "PyTorch's weights" foreign.safetensors "metadata"
"$program" "${train[@]}" --arch mlp-300 --run mlp >"$work/out" 2>&1
LC_ALL=C sed 's/"arch":"mlp-300"/"arch":"lenet5" /' mlp/last.safetensors | damaged other
refused_weights "weights of another architecture" other.safetensors "C1.weight" "another architecture"
LC_ALL=C sed 's/"arch":"lenet5"/"arch":"linear"/' $good | damaged other
refused_weights "weights of another architecture of the same layer names" other.safetensors "output.weight" "another"
LC_ALL=C sed 's/"arch":"lenet5"/"arch":"lenet9"/' $good | damaged unknown
refused_weights "weights of an architecture that is not known" unknown.safetensors "lenet9"
LC_ALL=C sed 's/"classes":"10"/"classes":"9" /' $good | damaged classes
refused_weights "weights of another number of classes" classes.safetensors "output.weight"
rm ./*.safetensors

# ---- run directories --------------------------------------------------------------------------------

refused "a run that is there already" 3 "good" "--resume good" -- "${train[@]}" --run good
echo "a file" >file
refused "a run below a file" 3 "file" -- "${train[@]}" --run file/run
refused "a run that is a file" 3 "file" -- "${train[@]}" --run file
refused "results below a file" 3 "file/x.json" -- eval --weights $good --data data/good --json file/x.json
refused "results to a directory" 3 "data" "directory" -- eval --weights $good --data data/good --json data
refused "evaluating what is no run" 3 "data/run.json" -- eval --run data
refused "evaluating what is not there" 3 "nowhere/run.json" -- eval --run nowhere

refused "resuming what is not there" 3 "nowhere/run.json" -- train --resume nowhere
refused "resuming what is no run" 3 "data/run.json" -- train --resume data
refused "resuming a file" 3 "file: a file, wanted the directory of a run" -- train --resume file
refused "resuming no name" 2 "--resume" -- "${train[@]}" --resume ''

# Every option that makes a run, with another value.
others="arch=linear activation=tanh pooling=average inputs=published loss=mse map-j=5 init=root init-scale=2 epochs=3 steps=5 eval-every=2 batch=8 optimizer=sgd lr=0.01 momentum=0.5
weight-decay=0.1 beta2=0.5 epsilon=0.001 schedule=step warmup=1 decay-every=1 decay-factor=0.1 train-size=32 validation=10
patience=7 augment-shift=1 augment-rotate=1 augment-scale=0.1 augment-shear=0.1 augment-elastic=1
label-noise=0.5 order=constant curvature-images=7 seed=2 tf32=on dense=own"
recorded=$(sed -n '/"config"/,/}/s/^\t\t"\([a-z0-9-]*\)".*/\1/p' begun/run.json | sort)
claim "every option that a run records is tried here" test -z "$(comm -23 <(echo "$recorded") <(tr ' ' '\n' <<<"$others" | sed 's/=.*//' | sort))"
for other in $others; do
    refused "resuming with another --${other%=*}" 2 "--resume begun" "--${other%=*} is " " ${other#*=} here" -- train --resume begun "--$other"
done
refused "resuming with an augmentation" 2 "--augment-" "--resume begun" -- train --resume begun --augment standard
cp -r data/good data/changed
printf '\1' | dd of=data/changed/$images bs=1 seek=100000 conv=notrunc status=none
refused "resuming with other data" 2 "--resume begun" "data/changed" -- train --resume begun --data data/changed
rm -r data/changed

# damaged_run FILE: damaged/ is like begun/, but FILE becomes what is read here.
damaged_run() {
    rm -rf damaged
    cp -r begun damaged
    cat >"damaged/$1"
}
head -c 300 begun/run.json | damaged_run run.json
refused "a truncated run.json" 3 "damaged/run.json" -- train --resume damaged
refused "a truncated run.json, for eval" 3 "damaged/run.json" -- eval --run damaged
damaged_run run.json </dev/null
refused "an empty run.json" 3 "damaged/run.json" -- train --resume damaged
sed 's/"seed":/"sead":/' begun/run.json | damaged_run run.json
refused "a run.json without a seed" 3 "damaged/run.json" "seed" -- train --resume damaged
sed 's/"batch":.*,/"batch": -3,/' begun/run.json | damaged_run run.json
refused "a run.json with an impossible batch" 3 "damaged/run.json" "batch" "-3" -- train --resume damaged
head -c 300000 begun/last.safetensors | damaged_run last.safetensors
refused "resuming from a truncated checkpoint" 3 "damaged/last.safetensors" -- train --resume damaged
{ head -c -100 begun/last.safetensors && head -c 100 /dev/zero | tr '\0' '\377'; } | damaged_run last.safetensors
refused "resuming from a damaged checkpoint" 3 "damaged/last.safetensors" -- train --resume damaged
{ head -c -100000 begun/last.safetensors && printf x && tail -c 99999 begun/last.safetensors; } | damaged_run last.safetensors
refused "resuming from a checkpoint with one changed byte" 3 "damaged/last.safetensors: its tensors have the checksum" -- train --resume damaged
head -c 5000 begun/last.safetensors | damaged_run last.safetensors
refused "evaluating a run with truncated weights" 3 "damaged/last.safetensors" -- eval --run damaged
rm -r damaged

# ---- a run that learns nothing -----------------------------------------------------------------------

lenet train --data data/good --device cpu --threads 1 --epochs 4 --lr 1 --run guesses
claim "a learning rate of 1: exit 0, for every number is finite" code_is 0
claim "  one line says that nothing was learned" test "$(wc -l <"$work/err")" -eq 1
claim "  and why" complains "a smaller --lr than 1 may help"
lenet "${train[@]}" --train-size 0 --run learns
claim "a run that learns complains of nothing" is_quiet
rm -r guesses learns

# ---- numbers and terminals ---------------------------------------------------------------------------

{ head -c -4 good/last.safetensors && printf '\xda\x6a\x29\x66'; } >huge.safetensors # a bias of the output: 2e23
lenet info --weights huge.safetensors
claim "a weight of 2e23 is a short number" grep -qE 'output.bias .* 2\.000e\+23$' "$work/out"
lenet eval --weights huge.safetensors --data data/good
claim "a loss of about 2e23, too" grep -qE 'loss [0-9]\.[0-9]{3}e\+23$' "$work/out"
rm huge.safetensors

# on_terminal COLUMNS TERM OPTION...: trains there; $work/out has a line for each of the terminal's and of the bar's.
on_terminal() {
    local columns=$1 term=$2
    shift 2
    rm -rf shown
    terminal_of "$columns" "$term" train --data data/good --device cpu --threads 1 --epochs 4 --run shown "$@"
}
terminal_of() {
    local columns=$1 term=$2
    shift 2
    env -u COLUMNS TERM="$term" python3 "$source_dir/tests/support/on_terminal.py" "$columns" "$program" "$@" >"$work/raw" 2>"$work/err"
    code=$?
    tr '\r' '\n' <"$work/raw" | sed 's/\x1b\[K//' >"$work/out"
}
fits() { awk -v most="$1" '!/^lenet / && length > most { wide = 1 } END { exit wide }' "$work/out"; } # notes do not
if python3 -c 'import pty' 2>/dev/null; then
    for columns in 200 110 100 80 72 60 40 25; do
        for validation in 0 500; do
            on_terminal $columns xterm --train-size 200 --validation $validation
            claim "a terminal of $columns columns, $validation images for validation: exit 0" code_is 0
            claim "  no line is wider" fits $columns
            claim "  each epoch has one, with the test error" test "$(grep -c '^epoch  .*test .* %' "$work/out")" -eq 4
        done
    done
    rm -r shown
    for columns in 80 40; do
        terminal_of $columns xterm sweep --data data/good --out shown --seed 1,2 --beta2 0.9 --steps 1 --batch 3000
        claim "a sweep's plan on a terminal of $columns columns: exit 0" code_is 0
        claim "  no line is wider" fits $columns
        claim "  nothing is left out" test "$(tr -s '\n ' ' ' <"$work/out" | grep -c 'training, 500 test images; on cpu.* in shown .*takes all of them (2 of 2 combinations)')" -eq 1
        rm -r shown
    done
    on_terminal 0 xterm --train-size 200
    claim "a terminal of unknown width: 80 columns" fits 80
    on_terminal 80 xterm --eval-every 2 --epochs 8
    claim "a bar is shown" grep -q '^\[#*\.*\] epoch' "$work/out"
    claim "  without nan between epochs that are not measured" test "$(grep -c nan "$work/out")" -eq 0
    for term in dumb ""; do
        on_terminal 80 "$term" --train-size 200
        claim "TERM='$term': no bar and no escapes" test "$(grep -c $'\e' "$work/raw")" -eq 0
        claim "  but the epochs" test "$(grep -c '^epoch' "$work/out")" -eq 4
    done
    rm -r shown
else
    skip "lines on a terminal" "python3 has no pty here"
fi

# ---- divergence ---------------------------------------------------------------------------------------

# Each update turns the weights into -2 times themselves: one epoch of two updates is finite, a hundred are not.
diverging=(--run diverged --optimizer sgd --schedule constant --warmup 0 --lr 0.03 --weight-decay 100 --train-size 32 --epochs 100)
lenet "${train[@]}" "${diverging[@]}"
claim "a run that diverges: exit 5" code_is 5
claim "  one line" test "$(wc -l <"$work/err")" -eq 1
claim "  that names the learning rate" complains "--lr than 0.03"
claim "  its metrics are those of finite epochs" grep -q '"epoch":1,' diverged/metrics.jsonl
refused "  resumed, it diverges again and leaves its last good checkpoint as it was" 5 "--lr than 0.03" -- train --resume diverged
lenet eval --run diverged
claim "  that can be evaluated" code_is 0
lenet "${train[@]}" --run hopeless --optimizer sgd --schedule constant --warmup 0 --lr 1000000
claim "a run that diverges in its first epoch: exit 5" code_is 5
claim "  leaves no weights" test ! -e hopeless/last.safetensors

# ---- output that cannot be written ------------------------------------------------------------------------

: >"$work/out"
for arguments in "info" "eval --weights $good --data data/good" "gradcheck --arch linear --entries 1" "help" "help --markdown" \
    "--version" "train --help"; do
    # shellcheck disable=SC2086  # words
    "$program" $arguments >/dev/full 2>"$work/err"
    code=$?
    claim "$arguments to a full device: exit 3" code_is 3
    claim "  with one line" test "$(wc -l <"$work/err")" -eq 1
    # shellcheck disable=SC2086
    "$program" $arguments >&- 2>"$work/err"
    code=$?
    claim "$arguments with standard output closed: exit 3" code_is 3
done
"$program" "${train[@]}" --run unheard >/dev/full 2>"$work/err"
code=$?
claim "train to a full device: exit 3" code_is 3
claim "  with one line" test "$(wc -l <"$work/err")" -eq 1
claim "  but the run is there, whole" cmp good/last.safetensors unheard/last.safetensors
"$program" "${train[@]}" --run closed >&- 2>"$work/err"
code=$?
claim "train with standard output closed: exit 3" code_is 3
claim "  but the run is there, whole" cmp good/last.safetensors closed/last.safetensors
"$program" "${train[@]}" --run silent >&- 2>&-
claim "train with both closed: the run is there, whole" cmp good/last.safetensors silent/last.safetensors

# ---- disks that are full or read-only ------------------------------------------------------------------------

# Half a megabyte of weights and moments does not fit.
prefix=(bash -c 'ulimit -f 200 && exec "$@"' limited)
lenet "${train[@]}" --run full
prefix=()
claim "no room for a checkpoint: exit 3" code_is 3
claim "  one line" test "$(wc -l <"$work/err")" -eq 1
claim "  that names it, with the reason" complains "full/last.safetensors: cannot replace: File too large"
claim "  no half of it is left" test "$(ls -A full)" = "$(printf 'metrics.jsonl\nrun.json')"
lenet train --resume full
claim "  and the run can be resumed when there is room" cmp good/last.safetensors full/last.safetensors

# Of a sweep: where its predictions cannot be kept, its run is not said to be done.
answers=(sweep --data data/good --out answers --device cpu --arch linear --epochs 1 --keep-predictions --predictions-of both)
mkdir -p answers
: >answers/predictions
lenet "${answers[@]}"
claim "no directory for predictions: exit 3" code_is 3
claim "  that names it" complains "answers/predictions"
claim "  no run is recorded" test ! -s answers/runs.jsonl
rm answers/predictions
lenet "${answers[@]}"
claim "  and with one it ends: exit 0" code_is 0
claim "  with predictions" test "$(find answers/predictions -name '*.safetensors' | wc -l)" -eq 1
lenet "${answers[@]}"
claim "  again there is nothing to say" is_quiet
rm -r answers/predictions
lenet "${answers[@]}"
claim "predictions that are asked for too late: exit 0" code_is 0
claim "  with a line that says so" complains "answers: the predictions of 1 run that had ended before were not kept"
lenet "${answers[@]}" --seed 1,2
claim "  beside those of another run, too" complains "answers: the predictions of 1 run that had ended before were not kept"
lenet "${answers[@]}" --seed 1,2
claim "  and ever again" complains "answers: the predictions of 1 run that had ended before were not kept"
lenet "${answers[@]}" --seed 2
claim "  but not where they are there" is_quiet
lenet "${answers[@]}" --seed 2 --predictions-loss
claim "  unless without the losses that are asked for" complains "answers: the predictions of 1 run that had ended before"

# fills_up RUN FILL EMPTY: trains for many epochs, calls FILL after the first one, and resumes after EMPTY.
long=("${train[@]}" --train-size 256 --epochs 60)
lenet "${long[@]}" --run long
fills_up() {
    local run=$1 fill=$2 empty=$3
    "$program" "${long[@]}" --run "$run" >"$work/out" 2>"$work/err" &
    pid=$!
    wait_for test -s "$run/metrics.jsonl"
    wait_for test -e "$run/last.safetensors"
    "$fill"
    wait $pid
    code=$?
    claim "  exit 3" code_is 3
    claim "  one line" test "$(wc -l <"$work/err")" -eq 1
    claim "  that names a file of the run" complains "$run/"
    claim "  no temporary file is left" test -z "$(find "$run" -name '.*.tmp.*')"
    claim "  the checkpoint is not the last one" grep -q checkpoint.step "$run/last.safetensors"
    "$empty"
    lenet info --weights "$run/last.safetensors"
    claim "  and is whole" code_is 0
    lenet train --resume "$run"
    claim "  resumed when there is room, it ends: exit 0" code_is 0
    claim "  with the bytes of an undisturbed run" cmp long/last.safetensors "$run/last.safetensors"
    claim "  and its metrics" test "$(untimed "$run")" = "$(untimed long)"
}
limit_files() { prlimit --pid "$pid" --fsize=1000; }
if command -v prlimit >/dev/null; then
    echo "        files may not grow any more, in mid-run:"
    fills_up limited limit_files true
else
    skip "a limit on files in mid-run" "no prlimit"
fi

mkdir small read-only
fill_disk() { cat /dev/zero >small/ballast 2>/dev/null; }
empty_disk() { rm small/ballast; }
if [ "$LENET_TEST_MOUNTS" = yes ]; then
    mount -t tmpfs -o size=1800k none small
    echo "        the disk fills in mid-run:"
    fills_up small/run fill_disk empty_disk
    mkdir small/new
    fill_disk
    refused "a disk without room for run.json" 3 "small/new/run.json" "No space left" "disk full" -- "${train[@]}" --run small/new
    refused "a disk without room for results" 3 "small/e.json" "No space left" -- eval --weights $good --data data/good --json small/e.json
    refused "a disk without room for predictions" 3 "small/p" "No space left" -- eval --weights $good --data data/good --predictions small/p
    umount small

    cp -r begun read-only/run
    mount --bind read-only read-only
    mount -o remount,bind,ro read-only
    refused "a new run on a read-only disk" 3 "read-only/new" "Read-only" -- "${train[@]}" --run read-only/new
    refused "a run in a read-only directory" 3 "read-only/run.json" "Read-only" -- "${train[@]}" --run read-only
    refused "resuming a run in a read-only directory" 3 "read-only/run/" "Read-only" -- train --resume read-only/run
    refused "evaluating a run in a read-only directory" 3 "read-only/run/eval.json" "Read-only" -- eval --run read-only/run
    umount read-only
else
    skip "a full disk, and a read-only directory" "mounting is not permitted here"
fi

finish
