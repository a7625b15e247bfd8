#!/usr/bin/env bash
# test_shards.sh LENET_PROGRAM SOURCE_DIR - a sweep in four shards, as processes at the same time in one directory, is
# the sweep of one process; and processes that would do the same work twice keep each other out.
# shellcheck source=tests/support/shell.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/shell.sh" "$@"

# Ten runs, which four do not divide.
sweep=(sweep --data "$sample" --device cpu --threads 1 --lr "0.01,0.05" --seed 0..4 --epochs 1 --checkpoint-seconds 0.05)
lines() { cat "$@" | wc -l; }
same_runs() { cmp <(untimed_runs "$1") <(untimed_runs "$2"); }
no_run_twice() { [ -z "$(cat "$1"/runs*.jsonl | grep -oE '^\{"id":"[0-9a-f]{16}"' | sort | uniq -d)" ]; }
# is_whole DIR: it holds what the sweep of one process does.
is_whole() {
    claim "  all runs are there" test "$(lines "$1"/runs*.jsonl)" -eq 10
    claim "  none of them twice" no_run_twice "$1"
    claim "  all as in the sweep of one process" same_runs whole "$1"
    claim "  and no checkpoint is left" test -z "$(ls -A "$1/progress")"
}

lenet "${sweep[@]}" --out whole
claim "the sweep of one process: exit 0" code_is 0
claim "  has ten runs" test "$(lines whole/runs.jsonl)" -eq 10

# ---- four at the same time ---------------------------------------------------------------------------

# shards DIR N I...: these shards of N at the same time.
shards() {
    local dir=$1 n=$2 i pids=()
    shift 2
    for i; do
        "$program" "${sweep[@]}" --out "$dir" --shard "$i/$n" >"$dir.$i.out" 2>"$dir.$i.err" &
        pids[i]=$!
    done
    for i; do
        wait "${pids[i]}"
        code=$?
        cp "$dir.$i.out" out && cp "$dir.$i.err" err
        claim "shard $i/$n in $dir: exit 0" code_is 0
        claim "  complains of nothing" is_quiet
    done
}
shards four 4 1 2 3 4
for i in 1 2 3 4; do
    claim "runs.$i-of-4.jsonl has the runs of shard $i/4" test "$(lines "four/runs.$i-of-4.jsonl")" -eq $((i <= 2 ? 3 : 2))
done
echo "        the four together:"
is_whole four

before=$(cat four/runs*.jsonl | sha256sum)
lenet "${sweep[@]}" --out four
claim "one process, after the shards: exit 0" code_is 0
claim "  finds nothing to do" says "10 ended already; 0 populations"
claim "  and does nothing" test "$(cat four/runs*.jsonl | sha256sum)" = "$before"
lenet "${sweep[@]}" --out four --shard 3/4
claim "a shard again finds nothing to do, either" says "2 of them in shard 3/4; 2 ended already; 0 populations"

shards changed 4 2 4
shards changed 3 1 2 3
echo "        two shards of four, then three of three:"
is_whole changed
shards begun 4 1
lenet "${sweep[@]}" --out begun
claim "one shard of four, then the whole: exit 0" code_is 0
claim "  finds what the shard did" says "3 ended already; 7 populations"
is_whole begun

# ---- one process at a time ---------------------------------------------------------------------------------

# begin NAME OPTION...: a sweep that does not end by itself, in busy/; waits until it is at work.
begin() {
    local name=$1
    shift
    "$program" "${sweep[@]}" --steps 100000000 --out busy "$@" >"$name.out" 2>"$name.err" &
    pid=$!
    wait_for grep -q '^sweep: ' "$name.out"
}
# end NAME PID
end() {
    kill "$2"
    wait "$2"
    code=$?
    cp "$1.out" out && cp "$1.err" err
    claim "  $1 was not disturbed: stopped, it ends by the signal" code_is 143
    claim "    and says that it goes on" says "interrupted, and kept"
}
# refused_as TEXT WORDS OPTION...
refused_as() {
    local text=$1 words=$2
    shift 2
    lenet "${sweep[@]}" --out busy "$@"
    claim "$text: exit 3" code_is 3
    claim "  says why" complains "busy: another process is at work on $words"
}
# refused TEXT OPTION...
refused() {
    local text=$1
    shift
    refused_as "$text" "this sweep" "$@"
}
begin shard-1 --shard 1/4
first=$pid
refused "a shard that another process is at work on" --shard 1/4
refused "the whole, while a shard is at work" # with no option
begin shard-2 --shard 2/4
claim "another shard meanwhile is at work, too" kill -0 "$pid"
refused_as "a shard of another number" "a shard of 4, not of 2" --shard 1/2
end shard-2 "$pid"
end shard-1 "$first"

begin whole-sweep
refused "the whole, while another process does it"
refused "a shard, while another process does the whole" --shard 1/4
end whole-sweep "$pid"

# ---- bad shards --------------------------------------------------------------------------------------------

for shard in 0/4 5/4 x 1/0 0/0 -1/4 1/-4 1 1/ /4 1/4/4 1/4x 1.5/4; do
    lenet "${sweep[@]}" --out bad --shard "$shard"
    claim "--shard $shard: exit 2" code_is 2
    claim "  is named" complains "'$shard'"
    claim "  and leaves nothing behind" test ! -e bad
done

# ---- with other programs ------------------------------------------------------------------------------------

# As docs/sweeps.md has it.
PATH=$(dirname "$program"):$PATH
export HOME=$work # parallel keeps notes there
if [[ $(parallel --version 2>/dev/null) == "GNU parallel"* ]]; then
    parallel lenet "${sweep[@]}" --out parallel --shard {}/4 ::: 1 2 3 4 >out 2>err
    code=$?
    claim "GNU parallel: exit 0" code_is 0
    is_whole parallel
else
    skip "GNU parallel" "it is not installed"
fi
if command -v xargs >/dev/null; then
    printf '%s\n' 1 2 3 4 | xargs -P 4 -I{} lenet "${sweep[@]}" --out xargs --shard {}/4 >out 2>err
    code=$?
    claim "xargs: exit 0" code_is 0
    is_whole xargs
else
    skip "xargs" "it is not installed"
fi

finish
