#!/usr/bin/env bash
# test_two_at_once.sh LENET_PROGRAM SOURCE_DIR - of several processes that start at once, in one directory one goes on
# and the others say who does; without a directory each takes its own. LENET_TEST_TRIES: how often each is tried.
# shellcheck source=tests/support/shell.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/shell.sh" "$@"

tries=${LENET_TEST_TRIES:-3}
host=$(uname -n)
short=(--data "$sample" --device cpu --threads 1 --arch linear --train-size 200 --epochs 2)

# together N NAME ARGUMENT...: N processes at once, seeds 1 to N where an argument is SEED; sets codes and pids, and
# writes NAME.1.out, NAME.1.err, ...
together() {
    local n=$1 name=$2 i
    shift 2
    pids=() codes=()
    for ((i = 1; i <= n; i++)); do
        "$program" "${@/SEED/$i}" >"$name.$i.out" 2>"$name.$i.err" &
        pids[i]=$!
    done
    for ((i = 1; i <= n; i++)); do
        wait "${pids[i]}"
        codes[i]=$?
    done
}
# number_of CODE: how many of them ended with it.
number_of() {
    local found=0 code
    for code in "${codes[@]}"; do found=$((found + (code == $1))); done
    echo "$found"
}
winner() {
    local i
    for i in "${!codes[@]}"; do if [ "${codes[i]}" -eq 0 ]; then echo "$i"; fi; done
}
# Whoever is refused says which process is at work; where that has ended by then, that there is a run already. To find
# that out, a process has to be at work for a moment, too, so that it need not be the one that goes on.
others_say_who() {
    local name=$1 directory=$2 i any
    printf -v any '%s\\|' "${pids[@]}"
    for i in "${!codes[@]}"; do
        if [ "${codes[i]}" -eq 0 ]; then continue; fi
        [ "$(wc -l <"$name.$i.err")" -eq 1 ] && [ ! -s "$name.$i.out" ] || return
        grep -q -e "^lenet train: $directory: process \(${any%??}\) on $host is at work on this run" \
            -e "^lenet train: $directory: a run is there already" "$name.$i.err" || return
    done
}
# is_one_run DIR: of one process alone, and whole.
is_one_run() {
    [ "$(ls -A "$1")" = "$(printf 'last.safetensors\nmetrics.jsonl\nrun.json')" ] &&
        [ "$(grep -o '"epoch":[0-9]*' "$1/metrics.jsonl" | tr '\n' ' ')" = '"epoch":1 "epoch":2 ' ]
}
seed_of() { sed -n 's/.*"seed":[^0-9]*\([0-9]*\).*/\1/p' "$1/run.json"; }
same_run() { cmp "$1/last.safetensors" "$2/last.safetensors" && [ "$(untimed "$1")" = "$(untimed "$2")" ]; }

for ((i = 1; i <= 8; i++)); do lenet train "${short[@]}" --seed "$i" --run "alone-$i"; done
claim "runs that nothing disturbs: exit 0" code_is 0

# ---- train --run ---------------------------------------------------------------------------------------

for n in 2 4 8; do
    mixed=0 unnamed=0 several=0
    for ((try = 1; try <= tries; try++)); do
        run=run-$n-$try
        together "$n" "$run" train "${short[@]}" --seed SEED --run "$run"
        [ "$(number_of 0)" -eq 1 ] && [ "$(number_of 3)" -eq $((n - 1)) ] || several=$((several + 1))
        others_say_who "$run" "$run" || unnamed=$((unnamed + 1))
        [ "$(seed_of "$run")" = "$(winner)" ] && is_one_run "$run" && same_run "alone-$(winner)" "$run" ||
            mixed=$((mixed + 1))
    done
    claim "$n starts at once with one --run, $tries tries: one goes on, the others exit with 3" test "$several" -eq 0
    claim "  which say who is at work" test "$unnamed" -eq 0
    claim "  and nothing is mixed" test "$mixed" -eq 0
done

# ---- train without --run -----------------------------------------------------------------------------------

for n in 2 4 8; do
    mixed=0 failed=0
    for ((try = 1; try <= tries; try++)); do
        mkdir "default-$n-$try" && cd "default-$n-$try" || exit
        together "$n" run train "${short[@]}" --seed SEED
        [ "$(number_of 0)" -eq "$n" ] || failed=$((failed + 1))
        [ "$(cd runs && echo *)" = "$(seq -s ' ' -f 'lenet5-%g' "$n" | sed 's/lenet5/linear/g')" ] || mixed=$((mixed + 1))
        for ((i = 1; i <= n; i++)); do
            run=$(sed -n 's/^done: //p' "run.$i.out")
            [ "$(seed_of "$run")" = "$i" ] && is_one_run "$run" && same_run "../alone-$i" "$run" || mixed=$((mixed + 1))
        done
        cd ..
    done
    claim "$n starts at once without --run, $tries tries: all go on" test "$failed" -eq 0
    claim "  in a directory each, and nothing is mixed" test "$mixed" -eq 0
done

# ---- train --resume ----------------------------------------------------------------------------------------

long=(--data "$sample" --device cpu --threads 1 --arch linear --train-size 1000 --batch 8 --epochs 40
    --checkpoint-seconds 0.02)
lenet train "${long[@]}" --run long-alone
"$program" train "${long[@]}" --run killed >out 2>err &
wait_for test -s killed/metrics.jsonl
kill -KILL $!
wait $! 2>/dev/null
claim "a killed run leaves its lock file, which locks nothing" test -e killed/lock
for n in 2 4 8; do
    mixed=0 unnamed=0 several=0
    for ((try = 1; try <= tries; try++)); do
        rm -rf resumed && cp -r killed resumed
        together "$n" resumed train --resume resumed
        # Who comes after the first one's end finds it done, which is as good.
        [ $(($(number_of 0) + $(number_of 3))) -eq "$n" ] && [ "$(cat resumed.*.out | grep -c '^done: ')" -eq 1 ] ||
            several=$((several + 1))
        for ((i = 1; i <= n; i++)); do
            if [ "${codes[i]}" -eq 0 ]; then continue; fi
            grep -qE "^lenet train: resumed: process [0-9]+ on $host is at work on this run" "resumed.$i.err" ||
                unnamed=$((unnamed + 1))
        done
        same_run long-alone resumed && [ ! -e resumed/lock ] || mixed=$((mixed + 1))
        rm -f resumed.*
    done
    claim "$n times --resume at once, $tries tries: one goes on, the others exit with 3" test "$several" -eq 0
    claim "  which say who is at work" test "$unnamed" -eq 0
    claim "  and the run is the undisturbed one" test "$mixed" -eq 0
done

# ---- sweep ------------------------------------------------------------------------------------------------------

sweep=(sweep --data "$sample" --device cpu --threads 1 --arch linear --train-size 500 --epochs 2 --seed 1..6)
mixed=0 several=0
for ((try = 1; try <= tries; try++)); do
    together 4 sweep-"$try" "${sweep[@]}" --out "sweep-$try"
    [ $(($(number_of 0) + $(number_of 3))) -eq 4 ] && [ "$(number_of 0)" -ge 1 ] || several=$((several + 1))
    [ "$(wc -l <"sweep-$try/runs.jsonl")" -eq 6 ] &&
        [ "$(ls -A "sweep-$try")" = "$(printf 'progress\nruns.jsonl\nsweep.json')" ] || mixed=$((mixed + 1))
done
claim "4 sweeps at once in one directory, $tries tries: one goes on, the others exit with 3" test "$several" -eq 0
claim "  and every run is there once" test "$mixed" -eq 0

# ---- what else may be there ------------------------------------------------------------------------------------

mkdir empty
lenet train "${short[@]}" --run empty
claim "an empty directory is taken: exit 0" code_is 0
claim "  and becomes a run's" is_one_run empty
lenet train "${short[@]}" --run empty
claim "a run that is there: exit 3" code_is 3
claim "  says how to go on" complains "empty: a run is there already; --resume empty goes on with it"
claim "  and nothing is left beside it" is_one_run empty
echo "process 1 on elsewhere" >killed/lock
lenet train --resume killed
claim "a lock file of a process that is no more is in nobody's way: exit 0" code_is 0
claim "  and goes when the run ends" test ! -e killed/lock

finish
