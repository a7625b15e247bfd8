#!/usr/bin/env bash
# test_report.sh LENET_PROGRAM SOURCE_DIR - lenet report: what is printed of the records of a sweep, and what is refused.
# shellcheck source=tests/support/shell.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/shell.sh" "$@"

# The configuration that a run records, on one line.
lenet train --data "$sample" --device cpu --train-size 64 --steps 1 --run made
config=$(sed -n '/"config"/,/}/p' made/run.json | tr -d '\t\n' | sed 's/"config"://; s/,$//')
hash=$(printf '%064d' 7)

# record ID SEED LR OPTIMIZER STATUS ACCURACY...: a line; one epoch of each test accuracy.
record() {
    local id=$1 seed=$2 lr=$3 optimizer=$4 status=$5 epochs=() accuracy
    shift 5
    for accuracy; do
        epochs+=('{"epoch":1,"step":1,"train_loss":0.5,"train_accuracy":0.75,"test_loss":0.25,"test_accuracy":'"$accuracy"',"images_per_s":1000,"seconds":2}')
    done
    printf '{"id":"%s","status":"%s","config":%s,"data":{"name":"MNIST","hash":"%s"},"device":"cpu","step":1,"seconds":2,"metrics":[%s]}\n' \
        "$id" "$status" "$(sed -E "s/\"seed\":[^,}]*/\"seed\":$seed/; s/\"lr\":[^,}]*/\"lr\":$lr/; s/\"optimizer\":[^,}]*/\"optimizer\":\"$optimizer\"/" <<<"$config")" \
        "$hash" "$(IFS=, && echo "${epochs[*]}")"
}
mkdir sweep
{
    record 1 1 0.1 sgd "done" 0.5 0.98
    record 2 2 0.1 sgd "done" 0.97
    record 3 1 0.02 sgd "done" 0.9
    record 4 2 0.02 sgd diverged
    record 5 1 1 adamw diverged
} >sweep/runs.1-of-2.jsonl
{
    record 3 1 0.02 sgd diverged # was done in the other shard
    record 6 3 0.1 sgd "done" 0.99
} >sweep/runs.2-of-2.jsonl

# ---- what is printed -----------------------------------------------------------------------------

printed() { diff "$work/out" -; }
lenet report sweep
claim "a table: exit 0" code_is 0
claim "  it complains of nothing" is_quiet
# Of 1, 2 and 3 % the deviation is 1 %, and the interval +- 4.303 / sqrt(3) %.
claim "  of groups in the order of the options' values, with what they come to" printed <<'END'
test error in % after the last epoch: mean over the runs, standard deviation, 95 % interval of the mean

optimizer  lr       n  diverged       mean  deviation          95 % interval        min        max
sgd        0.02     1         1     10.000          -                      -     10.000     10.000
sgd        0.1      3         0      2.000      1.000        -0.484 to 4.484      1.000      3.000
adamw      1        0         1          -          -                      -          -          -

6 runs, 2 diverged; best: --optimizer sgd --lr 0.1 with 2.000 % (95 % interval -0.484 to 4.484), 3 runs
END
lenet report sweep --best 1 --by lr
claim "--best 1: the group of the lowest mean" test "$(sed -n 4p "$work/out" | awk '{ print $1, $2 }')" = "0.1 3"
claim "  and no other" test "$(sed -n 5p "$work/out")" = ""
lenet report sweep --by optimizer --metric train-loss
claim "--by and --metric: another grouping of another number" says "sgd           4         1    0.50000    0.00000     0.50000 to 0.50000"
record 6 3 0.1 sgd "done" 0.99 >alone.jsonl
lenet report alone.jsonl
claim "a file of one run: one group without a column" says "   1         0      1.000          -                      -      1.000      1.000"
claim "  and without an interval" says "1 run, 0 diverged; best: 1.000 %, 1 run"
record 8 1 1 sgd diverged >bad.jsonl
lenet report bad.jsonl
claim "where every run diverged: exit 0" code_is 0
claim "  no mean" says "1 run, 1 diverged; no group has a mean"

lenet report sweep --format csv --by lr
claim "CSV: exit 0" code_is 0
claim "  a line for its columns and one for each group, fractions of 1" test "$(sed -E 's/(0\.0?[0-9]{3})[0-9]+/\1/g' "$work/out")" = \
    "lr,n,diverged,mean,deviation,interval_low,interval_high,min,max
0.02,1,1,0.1,,,,0.1,0.1
0.1,3,0,0.02,0.01,-0.0048,0.0448,0.01,0.03
1,0,1,,,,,,"
lenet report sweep --format json
claim "JSON: exit 0" code_is 0
claim "  it is" python3 -m json.tool "$work/out" /dev/null

{ cat sweep/runs.1-of-2.jsonl && record 9 9 0.1 sgd "done" 0.9 | head -c 300; } >torn.jsonl
cp torn.jsonl torn.2.jsonl
lenet report sweep --best 1
cp "$work/out" whole
lenet report torn.jsonl sweep torn.2.jsonl --best 1
claim "a torn last line: exit 0" code_is 0
claim "  it is left out" cmp "$work/out" whole
claim "  which is said once" test "$(wc -l <"$work/err")" -eq 1
claim "  by name" complains "lenet report: torn.jsonl: its last line has no end"

lenet report sweep torn.jsonl --by lr --format csv
cp "$work/out" whole
for arguments in "--by lr sweep --format csv torn.jsonl" "--format=csv sweep --by lr torn.jsonl" "--by=lr --format csv sweep torn.jsonl"; do
    # shellcheck disable=SC2086  # words
    lenet report $arguments
    claim "report $arguments: paths may stand anywhere" cmp "$work/out" whole
done
lenet report --help
claim "its help says which epoch counts" says "never the best one"
"$program" report sweep >/dev/full 2>"$work/err"
code=$?
claim "a full device: exit 3" code_is 3

# ---- what is refused -----------------------------------------------------------------------------

# refused TEXT CODE PIECE -- ARGUMENT...
refused() {
    local text=$1 want=$2 piece=$3
    shift 4
    lenet report "$@"
    claim "$text: exit $want" code_is "$want"
    claim "  one line" test "$(wc -l <"$work/err")" -eq 1
    claim "  that says why" complains "$piece"
    claim "  and no output" test ! -s "$work/out"
}
refused "no path" 2 "of which runs?" --
refused "options alone" 2 "of which runs?" -- --by lr
refused "an option of another command" 2 "--epochs" -- sweep --epochs 3
refused "no such metric" 2 "test-error|test-loss" -- sweep --metric accuracy
refused "no such option to group by" 2 "'rate'" -- sweep --by lr,rate
refused "a validation error without a validation set" 2 "no validation set" -- sweep --metric validation-error
refused "a path that is not there" 3 "nowhere: cannot open" -- nowhere
refused "a directory without records" 3 "made: no runs*.jsonl in it" -- made
sed '2s/"lr"/"rate"/' sweep/runs.1-of-2.jsonl >damaged.jsonl
refused "a record without a learning rate" 3 "damaged.jsonl line 2: no 'lr' in it" -- sweep damaged.jsonl
printf '\x1b[31m\n' >"$(printf 'colour\x1b.jsonl')"
refused "a line that is not JSON, in a file of an odd name" 3 'colour?.jsonl line 1: not a JSON object' -- colour*.jsonl

finish
