#!/usr/bin/env bash
# test_own_files.sh LENET_PROGRAM SOURCE_DIR - what the program makes in a directory of its own goes there and nowhere
# else: a symbolic link that somebody has put in its place is refused, and a closed standard descriptor is none of its files.
# shellcheck source=tests/support/shell.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/shell.sh" "$@"

train=(train --data "$sample" --arch linear --train-size 64 --batch 16 --epochs 2 --threads 1)
sweep=(sweep --data "$sample" --arch linear --train-size 64 --batch 16 --epochs 2 --threads 1 --seed 1..2 --out many
    --checkpoint-seconds 0.001 --keep-weights --keep-predictions)

# ---- links ------------------------------------------------------------------------------------------------

mkdir elsewhere
echo mine >elsewhere/file
# unfollowed TEXT LINK TARGET -- ARGUMENT...: refused by name, and what the link leads to is as it was.
unfollowed() {
    local text=$1 link=$2 target=$3 before
    shift 4
    mkdir -p "$(dirname "$link")"
    ln -s "$target" "$link"
    before=$(contents elsewhere)
    lenet "$@"
    claim "$text: exit 3" code_is 3
    claim "  says what stands there" complains "$link: a symbolic link stands there"
    claim "  in one line" test "$(wc -l <"$work/err")" -eq 1
    claim "  and has not followed it" test "$(contents elsewhere)" = "$before"
    claim "  nor removed it" test -L "$link"
    rm "$link"
}
for target in "$work/elsewhere/file" "$work/elsewhere/new"; do
    for name in lock metrics.jsonl; do
        rm -rf run
        unfollowed "train, $name -> ${target##*/}" "run/$name" "$target" -- "${train[@]}" --run run
    done
    for name in lock begin.lock runs.jsonl; do
        rm -rf many
        unfollowed "sweep, $name -> ${target##*/}" "many/$name" "$target" -- "${sweep[@]}"
    done
done
for kind in progress weights predictions; do
    rm -rf many
    unfollowed "sweep, $kind -> a directory" "many/$kind" "$work/elsewhere" -- "${sweep[@]}"
done
rm -rf run
lenet "${train[@]}" --run run
claim "without a link: exit 0" code_is 0
unfollowed "resume, lock -> file" run/lock "$work/elsewhere/file" -- train --resume run
mv run/metrics.jsonl elsewhere
unfollowed "resume, metrics.jsonl -> elsewhere" run/metrics.jsonl "$work/elsewhere/metrics.jsonl" -- train --resume run
mv elsewhere/metrics.jsonl run

for name in run.json last.safetensors; do
    rm -rf replaced && mkdir replaced
    ln -s "$work/elsewhere/nowhere" "replaced/$name"
    lenet "${train[@]}" --run replaced
    claim "a link in the place of $name: exit 0" code_is 0
    claim "  is replaced" test -f "replaced/$name" -a ! -L "replaced/$name"
    claim "  and not followed" test ! -e elsewhere/nowhere
done

mkdir disk
ln -s disk runs
ln -s "$sample" digits
ln -s "$work/disk/many" linked && mkdir disk/many
lenet "${train[@]}" --data digits
claim "runs and the data set may be links to directories: exit 0" code_is 0
claim "  which are used" cmp disk/linear-1/last.safetensors run/last.safetensors
lenet "${sweep[@]}" --out linked
claim "a sweep's directory may be a link: exit 0" code_is 0
claim "  which is used" test -s disk/many/runs.jsonl

# ---- closed descriptors ----------------------------------------------------------------------------------------

# A run that takes long enough to be looked at.
"$program" "${train[@]}" --run closed --epochs 100000 --checkpoint-seconds 0 <&- >&- 2>&- &
process=$!
wait_for test -s closed/last.safetensors
for file in 0 1 2; do
    claim "descriptor $file, which was closed, is none of its files" test "$(readlink "/proc/$process/fd/$file")" = /dev/null
done
kill -INT $process
wait $process
claim "the lock says who holds it, and nothing else, until it is removed" test ! -e closed/lock
lenet "${train[@]}" --run open --epochs 2
"$program" "${train[@]}" --run closed2 --epochs 2 <&- >&- 2>&-
code=$?
claim "a run whose words nobody hears: exit 3" code_is 3
claim "  is there, whole" cmp open/last.safetensors closed2/last.safetensors
claim "  with the same epochs" test "$(untimed open)" = "$(untimed closed2)"
"$program" "${train[@]}" --run closed3 --epochs 2 >/dev/null 2>&-
code=$?
claim "of closed standard error there is no word: exit 0" code_is 0
"$program" predict --run run - <&- >"$work/out" 2>"$work/err"
code=$?
claim "a closed standard input has no image: exit 3" code_is 3
claim "  says so" complains "-: cannot read"
finish
