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
# by_signal NAME: the exit code that a shell makes of it.
by_signal() { echo $((128 + $(kill -l "$1"))); }
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

# ---- signals ---------------------------------------------------------------------------------------

for optimizer in nesterov adamw sdlm; do
    train_options "$optimizer"
    began=$(now)
    lenet train "${options[@]}" --run "$optimizer"
    took=$(($(now) - began))
    claim "$optimizer, undisturbed: exit 0" code_is 0
done

# Most of curved's time is that of second derivatives and of evaluations.
train_options sdlm
options+=(--curvature-images 1000000000 --validation 1500)
began=$(now)
lenet train "${options[@]}" --run curved
took=$(($(now) - began))
claim "curved, undisturbed: exit 0" code_is 0
claim "  says that there are fewer images than its curvature is to be of" complains "--curvature-images 1000000000 is above"
for moment in 1 2 3 4 5 6; do
    run=curved-$moment
    for again in 1 2 3; do
        stop "$run" INT 500
        claim "curved, stopped for the ${again}th time: ended by SIGINT, or done" is_one_of 0 "$(by_signal INT)"
    done
    arguments=(--resume "$run")
    if [ ! -e "$run/run.json" ]; then arguments=("${options[@]}" --run "$run"); fi
    lenet train "${arguments[@]}"
    claim "  resumed, it ends with the files of the undisturbed run" same_run curved "$run"
done

train_options nesterov
for signal in INT TERM; do
    for moment in 1 2 3 4; do
        run=$signal-$moment
        # Where a signal comes before the first step, there is no run yet, or one without a step.
        stop "$run" "$signal" 700
        claim "SIG$signal number $moment: ended by it, or done before" is_one_of 0 "$(by_signal "$signal")"
        if [ -e "$run/run.json" ]; then
            lenet train --resume "$run"
        else
            lenet train "${options[@]}" --run "$run"
        fi
        claim "  what is resumed ends: exit 0" code_is 0
        claim "  with the files of the undisturbed run" same_run nesterov "$run"
    done
done

# begin RUN [COMMAND...]: begins a run that does not end, and waits until it is at work.
begin() {
    local run=$1
    shift
    : >"$work/out" # what is waited for must not be of the run before
    "$@" "$program" train "${options[@]}" --run "$run" --epochs 1000000 >"$work/out" 2>"$work/err" &
    wait_for says "epoch "
}
# ends PID: waits for its end.
ends() {
    wait "$1" 2>/dev/null # where bash says that it was killed
    code=$?
}
for signal in INT TERM HUP XCPU USR1 USR2; do
    begin "late-$signal"
    kill -"$signal" $!
    ends $!
    claim "SIG$signal in mid-run: ended by it" code_is "$(by_signal "$signal")"
    claim "  says how to go on" says "interrupted, and kept: go on with lenet train --resume late-$signal"
    claim "  complains of nothing" is_quiet
    claim "  leaves a checkpoint" grep -q checkpoint.step "late-$signal/last.safetensors"
    claim "  and nothing else" test "$(ls -A "late-$signal")" = "$(printf 'best.safetensors\nlast.safetensors\nmetrics.jsonl\nrun.json')"
done

# As in: lenet train | head -1
"$program" train "${options[@]}" --run unread --epochs 1000000 2>"$work/err" | head -1 >"$work/out"
code=${PIPESTATUS[0]}
claim "nobody reads on: ended by SIGPIPE" code_is "$(by_signal PIPE)"
claim "  leaves a checkpoint" grep -q checkpoint.step unread/last.safetensors
claim "  says how to go on where it is still read" complains "interrupted, and kept: go on with lenet train --resume unread"

timeout 2 "$program" train "${options[@]}" --run timed --epochs 1000000 >"$work/out" 2>"$work/err"
code=$?
claim "timeout, which sends SIGTERM twice: its own exit code" code_is 124
claim "  the run says how to go on" says "interrupted, and kept"
claim "  leaves a checkpoint" grep -q checkpoint.step timed/last.safetensors

begin after-nohup nohup
kill -HUP $!
before=$(wc -l <"$work/out")
goes_on() { [ "$(wc -l <"$work/out")" -gt $((before + 3)) ]; }
claim "SIGHUP after nohup: it goes on" wait_for goes_on
kill -TERM $!
ends $!
claim "  until it is told otherwise: ended by SIGTERM" code_is "$(by_signal TERM)"

# A pipe that is full and that nobody reads: it waits there, after the first signal as before it.
mkfifo full
exec 9<>full
head -c 65536 /dev/zero >&9
for signals in "INT INT" "TERM INT" "HUP TERM"; do
    run=blocked-${signals/ /-}
    "$program" train "${options[@]}" --run "$run" --epochs 1000000 >full 2>"$work/err" &
    wait_for test -s "$run/run.json"
    sleep 0.5
    kill -"${signals% *}" $!
    sleep 0.5
    claim "SIG${signals% *} to a run that waits for its reader: it has something to say yet" kill -0 $!
    kill -"${signals#* }" $!
    ends $!
    claim "  a second signal ends it at once" code_is "$(by_signal "${signals#* }")"
done
exec 9<&-

if python3 -c 'import pty' 2>/dev/null; then
    : >"$work/out"
    # shellcheck disable=SC2016  # is expanded by the inner bash
    python3 "$source_dir/tests/support/on_terminal.py" 80 bash -c 'output=$1 && shift
        "$@" >"$output" &
        while ! grep -q "^epoch" "$output"; do sleep 0.02; done
        kill -INT $! && wait $!' stopping "$work/out" "$program" train "${options[@]}" --run logged --epochs 1000000 \
        >"$work/screen"
    claim "stopped, with its output in a file: the file says how to go on" says "lenet train --resume logged"
    claim "  and so does the terminal" grep -q "lenet train --resume logged" "$work/screen"
else
    skip "stopped, with its output in a file" "python3 has no pty here"
fi

# The shell stops a loop where the program died of the signal, and goes on where it ends with any code.
cat >loop.sh <<LOOP
for seed in 1 2 3; do
    "$program" train ${options[*]} --epochs 1000000 --seed \$seed --run loop-\$seed
    echo "and on"
done
"$program" train ${options[*]} --epochs 1000000 --run loop-and && echo "and on"
LOOP
: >"$work/out"
env --default-signal=INT setsid bash loop.sh >"$work/out" 2>"$work/err" &
wait_for says "epoch "
kill -INT -- -$!
ends $!
claim "Ctrl-C in a shell's loop: the loop ends by it" code_is "$(by_signal INT)"
claim "  with one run that is kept" test "$(grep -c 'interrupted, and kept' "$work/out")" -eq 1
claim "  and no other begun" test ! -e loop-2
claim "  nor what comes after" test "$(grep -c 'and on' "$work/out")" -eq 0

# ended_by TEXT SIGNAL ARGUMENT...: the program, at work for half a second, is ended by the signal at once.
ended_by() {
    local text=$1 signal=$2
    shift 2
    "$program" "$@" >"$work/out" 2>"$work/err" &
    sleep 0.5
    kill -"$signal" $!
    ends $!
    claim "$text: ended by SIG$signal" code_is "$(by_signal "$signal")"
    claim "  does not claim that anything is kept" test "$(grep -c kept "$work/out" "$work/err" | grep -vc ':0$')" -eq 0
}
many=(--data "$sample" --device cpu --seed 1..10000000)
ended_by "a sweep that is being planned" INT sweep "${many[@]}" --out planned
claim "  and leaves nothing" test ! -e planned
ended_by "a sweep's dry run" TERM sweep "${many[@]}" --dry-run
ended_by "gradcheck" INT gradcheck --entries 0 --device cpu
ended_by "bench" HUP bench --batch 4096 --networks 8 --device cpu
mkdir copies
for ((copy = 0; copy < 1000; copy++)); do ln -s ../curved/last.safetensors copies/$copy.safetensors; done
ended_by "eval" INT eval --weights copies --ensemble --data "$sample" --device cpu
printf 'P5 28 28 255\n%784s' "" >picture.pgm
mapfile -t pictures < <(yes picture.pgm | head -n 20000)
ended_by "predict" TERM predict --weights copies "${pictures[@]}" --as-is --device cpu
ended_by "export" INT export --run curved --format c --out exported.c
claim "  and has written nothing" test ! -e exported.c

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
: >"$work/out"
"$program" train --resume leftover >"$work/out" 2>"$work/err" &
wait_for says "epoch "
kill $!
ends $!
claim "temporary files of a killed process are cleared away" test "$(echo leftover/.last* leftover/.best*)" = \
    "leftover/.last.safetensors.mine leftover/.best*"

finish
