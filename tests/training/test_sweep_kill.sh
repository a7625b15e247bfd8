#!/usr/bin/env bash
# test_sweep_kill.sh LENET_PROGRAM SOURCE_DIR - a sweep in real processes, stopped and killed at random moments and begun
# again with the same command until it is done, leaves what a sweep leaves that nothing disturbed: every run once, the
# same metrics, the same weights. LENET_TEST_SEED repeats the moments.
# shellcheck source=tests/support/shell.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/shell.sh" "$@"

seed=${LENET_TEST_SEED:-$(date +%s)}
RANDOM=$((seed % 32768))
echo "LENET_TEST_SEED=$seed"

# 40 runs of 76 or 152 steps, with everything that is random in them.
runs=40
# shellcheck disable=SC2054
options=(--data "$sample" --device cpu --threads 2 --train-size 300 --epochs 2,4 --warmup 0.5 --batch 8 --lr 0.001
    --optimizer nesterov,adamw --augment none,standard --seed 1..5 --checkpoint-seconds 0.05 --keep-weights
    --keep-predictions --predictions-of both --predictions-loss)
now() { date +%s%N; }
# pause SHARE: sleeps for a random part of so many thousandths of the undisturbed sweep's time, which is in nanoseconds.
pause() {
    local most=$((took * $1 / 1000))
    local nanoseconds=$((RANDOM * most / 32768))
    sleep "$((nanoseconds / 1000000000)).$(printf %09d $((nanoseconds % 1000000000)))"
}

# lines DIR: its runs in the order of their names, without what depends on the clock.
lines() { cat "$1"/runs*.jsonl | sed -E 's/,"(images_per_s|seconds)":[^,}]*//g' | sort; }
# same_sweep WANT GOT, with the same names of files of weights and predictions where R is 1.
same_sweep() {
    [ "$(lines "$1")" = "$(lines "$2")" ] && diff -r "$1/weights" "$2/weights" && diff -r "$1/predictions" "$2/predictions"
}
has_all_once() {
    local ids
    ids=$(lines "$1" | sed -E 's/^\{"id":"([0-9a-f]{16})".*/\1/')
    [ "$(wc -l <<<"$ids")" -eq "$runs" ] && [ -z "$(uniq -d <<<"$ids")" ]
}
# Files that docs/files.md does not name.
strangers() {
    find "$1" -mindepth 1 ! -path "$1/lock" ! -path "$1/lock.?-of-?" ! -path "$1/sweep.json" ! -path "$1/runs.jsonl" \
        ! -path "$1/runs.?-of-?.jsonl" ! -path "$1/progress" ! -path "$1/weights" ! -path "$1/weights/*.safetensors" \
        ! -path "$1/predictions" ! -path "$1/predictions/*.safetensors"
}
has_checkpoints() { [ "$(find "$1/progress" -name '*.safetensors' 2>/dev/null | wc -l)" -eq "$2" ]; }

# stop DIR SIGNAL SHARE [OPTION...]: begins the sweep or goes on with it, and sends the signal after a random pause.
stop() {
    local dir=$1 signal=$2 share=$3
    shift 3
    "$program" sweep "${options[@]}" --out "$dir" "$@" >"$work/out" 2>"$work/err" &
    local pid=$!
    pause "$share"
    kill -"$signal" $pid 2>/dev/null
    wait $pid 2>/dev/null # where bash says that it was killed
    code=$?
}
# by_signal NAME: the exit code that a shell makes of it.
by_signal() { echo $((128 + $(kill -l "$1"))); }
is_one_of() {
    local wanted
    for wanted; do if [ "$code" -eq "$wanted" ]; then return 0; fi; done
    return 1
}
# ends_well DIR TEXT [OPTION...]: the rest of a sweep that was disturbed.
ends_well() {
    local dir=$1 text=$2
    shift 2
    lenet sweep "${options[@]}" --out "$dir" "$@"
    claim "$text, gone on with: exit 0" code_is 0
    claim "  says that it is done" says "done: "
    claim "  has all $runs runs, and none twice" has_all_once "$dir"
    claim "  nothing is left over" test -z "$(strangers "$dir")"
}

began=$(now)
lenet sweep "${options[@]}" --out undisturbed
took=$(($(now) - began))
claim "undisturbed: exit 0" code_is 0
claim "  has all $runs runs, and none twice" has_all_once undisturbed
claim "  keeps the weights of each" test "$(find undisturbed/weights -name '*.safetensors' | wc -l)" -eq "$runs"
claim "  and what each answers" test "$(find undisturbed/predictions -name '*.safetensors' | wc -l)" -eq "$runs"
claim "  nothing is left over" test -z "$(strangers undisturbed)"

# ---- SIGINT and SIGTERM ----------------------------------------------------------------------------

for signal in INT TERM; do
    for moment in 1 2; do
        stop "$signal" "$signal" 400
        claim "SIG$signal number $moment: ended by it, or done before" is_one_of 0 "$(by_signal "$signal")"
    done
    ends_well "$signal" "SIG$signal"
    claim "  with the runs and the weights of the undisturbed sweep" same_sweep undisturbed "$signal"
done

# Not before it says so itself: by then its handlers are there.
for signal in INT TERM; do
    "$program" sweep "${options[@]}" --steps 100000000 --out "late-$signal" >"$work/out" 2>"$work/err" &
    wait_for has_checkpoints "late-$signal" 2
    kill -"$signal" $!
    wait $! 2>/dev/null
    code=$?
    claim "SIG$signal in mid-run: ended by it" code_is "$(by_signal "$signal")"
    claim "  says how to go on" says "interrupted, and kept: the same command goes on"
    claim "  complains of nothing" is_quiet
    claim "  leaves a checkpoint of each run under way" has_checkpoints "late-$signal" 2
done

# ---- kill -9 ----------------------------------------------------------------------------------------

# kill_often DIR KILLS [OPTION...]: kills it so often, within a twelfth of its time each, so that it is not done before.
kill_often() {
    local dir=$1 kills=$2 number died=0
    shift 2
    for ((number = 1; number <= kills; number++)); do
        stop "$dir" KILL 80 "$@"
        if [ "$code" -eq 137 ]; then died=$((died + 1)); fi
    done
    echo "$dir: killed $died times, $(cat "$dir"/runs*.jsonl 2>/dev/null | wc -l) of $runs runs had ended"
    claim "$dir was killed often enough" test "$died" -ge $((kills / 2))
}
kill_often killed 20
ends_well killed "killed"
claim "  with the runs and the weights of the undisturbed sweep" same_sweep undisturbed killed

# Three together: which file the weights are in depends on what had ended when.
kill_often together 6 --population-max 3
ends_well together "killed, three runs together" --population-max 3
claim "  with the runs of the undisturbed sweep" test "$(lines undisturbed)" = "$(lines together)"

# ---- trained again in other populations -------------------------------------------------------------------

# ids_in FILE...: of the runs in files of weights or of predictions.
ids_in() {
    python3 - "$@" <<'END'
import json, struct, sys
for path in sys.argv[1:]:
    with open(path, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
    print(*(member["id"] for member in json.loads(header["__metadata__"]["members"])), sep="\n")
END
}
# keeps_all_once DIR: no run is in two of its files.
keeps_all_once() {
    for kind in weights predictions; do
        [ "$(ids_in "$1/$kind"/*.safetensors | sort)" = "$(ids_in undisturbed/$kind/*.safetensors | sort)" ] || return
    done
}
for most in 4 3; do
    rm together/runs.jsonl
    for moment in 1 2 3 4; do
        stop together KILL 500 --population-max $most # in which some populations end
    done
    ends_well together "killed, begun anew with $most together" --population-max $most
    claim "  with the runs of the undisturbed sweep" test "$(lines undisturbed)" = "$(lines together)"
    claim "  each of which is in one file" keeps_all_once together
done

# ---- shards, two at a time ----------------------------------------------------------------------------

for number in 1 2 3; do
    for shard in 1 2; do
        "$program" sweep "${options[@]}" --threads 1 --shard $shard/2 --out shards >"$work/out$shard" 2>"$work/err$shard" &
        pids[shard]=$!
    done
    pause 300
    kill -KILL "${pids[1]}" 2>/dev/null
    pause 100
    kill -KILL "${pids[2]}" 2>/dev/null
    for shard in 1 2; do wait "${pids[shard]}"; done
done 2>/dev/null # where bash says that they were killed
for shard in 1 2; do
    "$program" sweep "${options[@]}" --threads 1 --shard $shard/2 --out shards >"$work/out$shard" 2>"$work/err$shard" &
    pids[shard]=$!
done
for shard in 1 2; do
    wait "${pids[shard]}"
    code=$?
    claim "shard $shard of 2, killed and gone on with beside the other: exit 0" code_is 0
done
lenet sweep "${options[@]}" --out shards
claim "the whole after its shards has nothing to do" says "$runs ended already; 0 populations"
claim "  has all $runs runs, and none twice" has_all_once shards
claim "  with the runs and the weights of the undisturbed sweep" same_sweep undisturbed shards
claim "  nothing is left over" test -z "$(strangers shards)"

finish
