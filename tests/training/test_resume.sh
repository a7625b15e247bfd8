#!/usr/bin/env bash
# test_resume.sh LENET_PROGRAM SOURCE_DIR - real processes, stopped and killed at random moments and resumed until
# they are done, leave the files of a run that nothing disturbed. LENET_TEST_SEED repeats the moments.
# shellcheck source=tests/support/shell.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/shell.sh" "$@"

seed=${LENET_TEST_SEED:-$(date +%s)}
RANDOM=$((seed % 32768))
echo "LENET_TEST_SEED=$seed"

# train_options OPTIMIZER: a run with everything that is random in it, and checkpoints all the time.
train_options() {
    local learning=(--lr 0.01 --warmup 1 --optimizer "$1")
    if [ "$1" = sdlm ]; then learning=(--arch lenet5-1998 --curvature-images 60); fi
    options=(--data "$sample" --device cpu --threads 1 "${learning[@]}" --train-size 500 --validation 300 --batch 20
        --epochs 4 --augment standard --checkpoint-seconds 0.02)
}
now() { date +%s%N; }
# pause SHARE: sleeps for a random part of so many thousandths of the undisturbed run's time, which is in nanoseconds.
pause() {
    local most=$((took * $1 / 1000))
    local nanoseconds=$((RANDOM * most / 32768))
    sleep "$((nanoseconds / 1000000000)).$(printf %09d $((nanoseconds % 1000000000)))"
}
same_run() {
    cmp "$1/last.safetensors" "$2/last.safetensors" && cmp "$1/best.safetensors" "$2/best.safetensors" &&
        [ "$(untimed "$1")" = "$(untimed "$2")" ]
}
is_one_of() {
    local wanted
    for wanted; do if [ "$code" -eq "$wanted" ]; then return 0; fi; done
    return 1
}

# stop RUN SIGNAL SHARE: begins the run or goes on with it, and sends the signal after a random pause.
stop() {
    local run=$1 signal=$2 share=$3 arguments
    if [ -e "$run/run.json" ]; then arguments=(--resume "$run"); else arguments=("${options[@]}" --run "$run"); fi
    "$program" train "${arguments[@]}" --checkpoint-seconds 0.02 >"$work/out" 2>"$work/err" &
    local pid=$!
    pause "$share"
    kill -"$signal" $pid 2>/dev/null
    wait $pid 2>/dev/null # where bash says that it was killed
    code=$?
}
ended() { says "done: $1" || says "$1 had ended already"; }

# ---- SIGINT and SIGTERM ----------------------------------------------------------------------------

for optimizer in nesterov adamw sdlm; do
    train_options "$optimizer"
    began=$(now)
    lenet train "${options[@]}" --run "$optimizer"
    took=$(($(now) - began))
    claim "$optimizer, undisturbed: exit 0" code_is 0
done

train_options nesterov
for signal in INT TERM; do
    for moment in 1 2 3 4; do
        run=$signal-$moment
        # Before its handler is there, a signal ends it as any process; then there is no run yet, or one without a step.
        stop "$run" "$signal" 700
        claim "SIG$signal number $moment: exit 0, or ended by it while it started" is_one_of 0 130 143
        if [ -e "$run/run.json" ]; then
            lenet train --resume "$run"
        else
            lenet train "${options[@]}" --run "$run"
        fi
        claim "  what is resumed ends: exit 0" code_is 0
        claim "  with the files of the undisturbed run" same_run nesterov "$run"
    done
done

# Not before it says so itself: by then its handlers are there.
for signal in INT TERM HUP; do
    "$program" train "${options[@]}" --run "late-$signal" --steps 100000000 >"$work/out" 2>"$work/err" &
    wait_for says "epoch "
    kill -"$signal" $!
    wait $!
    code=$?
    claim "SIG$signal in mid-run: exit 0" code_is 0
    claim "  says how to go on" says "interrupted, and kept: go on with lenet train --resume late-$signal"
    claim "  complains of nothing" is_quiet
    claim "  leaves a checkpoint" grep -q checkpoint.step "late-$signal/last.safetensors"
    claim "  and nothing else" test "$(ls -A "late-$signal")" = "$(printf 'best.safetensors\nlast.safetensors\nmetrics.jsonl\nrun.json')"
done

# As in: lenet train | head -1
"$program" train "${options[@]}" --run unread --steps 100000000 2>"$work/err" | head -1 >"$work/out"
code=${PIPESTATUS[0]}
claim "nobody reads on: exit 3, for the output is lost" code_is 3
claim "  leaves a checkpoint" grep -q checkpoint.step unread/last.safetensors

# ---- kill -9 ----------------------------------------------------------------------------------------

# is_whole RUN: every file that is there can be read.
is_whole() {
    local file
    for file in "$1"/*.safetensors; do
        if [ -e "$file" ]; then "$program" info --weights "$file" >/dev/null || return; fi
    done
}

killed=0
for optimizer in nesterov sdlm adamw nesterov sdlm adamw; do
    train_options "$optimizer"
    run=killed-$killed-$optimizer
    for kill in 1 2 3; do
        stop "$run" KILL $((300 * kill))
        if ended "$run"; then break; fi
        claim "kill -9 number $kill of $run: it died of it" code_is 137
        claim "  its weights are whole" is_whole "$run"
        killed=$((killed + 1))
    done
    if [ -e "$run/run.json" ]; then arguments=(--resume "$run"); else arguments=("${options[@]}" --run "$run"); fi
    lenet train "${arguments[@]}"
    claim "$run, resumed: exit 0" code_is 0
    claim "  ends" ended "$run"
    claim "  with the files of the undisturbed run" same_run "$optimizer" "$run"
    claim "  and nothing half-written beside them" test -z "$(find "$run" -name '*.tmp.*')"
    lenet eval --run "$run"
    claim "  that can be evaluated" code_is 0
    if [ "$killed" -ge 10 ]; then break; fi
done
echo "killed $killed times"
claim "it was killed often enough" test "$killed" -ge 5

# A process that was killed while it wrote leaves this; the other one is nobody's.
cp -r late-TERM leftover
touch leftover/.last.safetensors.tmp.123.0 leftover/.best.safetensors.tmp.9.1 leftover/.last.safetensors.mine
"$program" train --resume leftover >"$work/out" 2>"$work/err" &
wait_for says "epoch "
kill $! && wait $!
claim "temporary files of a killed process are cleared away" test "$(echo leftover/.last* leftover/.best*)" = \
    "leftover/.last.safetensors.mine leftover/.best*"

finish
