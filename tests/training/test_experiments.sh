#!/usr/bin/env bash
# test_experiments.sh LENET_PROGRAM SOURCE_DIR - every experiment's --quick form, from sweep to picture; and begun again.
# shellcheck source=tests/support/shell.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/shell.sh" "$@"
# shellcheck source=scripts/common.sh
. "$source_dir/scripts/common.sh"

python=$(python_with numpy matplotlib) || {
    echo "no python3 here with numpy and matplotlib"
    exit 77
}

# experiment NAME [OPTION...]
experiment() {
    local name=$1
    shift
    "$python" "$source_dir/scripts/experiments/$name.py" --quick --lenet "$program" --device cpu "$@" \
        >"$work/out" 2>"$work/err"
    code=$?
}
is_picture() { [ "$(head -c 8 "$1" | od -An -tx1 | tr -d ' \n')" = 89504e470d0a1a0a ]; }
lines() { [ "$(wc -l <"$1")" -eq "$2" ]; }
# all_numbers TABLE: no cell is empty or a dash
all_numbers() { ! grep -qE '(^|,)(-|nan)?(,|$)' "$1"; }

# rows of each table, with its head
declare -A rows=([training_set_size]=5 [learning_rate]=9 [seeds]=9 [invariance]=13 
    [recipe_1998]=3 [fig5_learning_curve]=4 [fig6_training_set_size]=7 [fig9_methods]=11 [robustness]=13)
for name in "${!rows[@]}"; do
    experiment "$name"
    claim "$name: exit 0" code_is 0
    claim "$name: says nothing on stderr" is_quiet
    claim "$name: a table of ${rows[$name]} lines" lines "sweeps/$name-quick/table.csv" "${rows[$name]}"
    claim "$name: every cell is filled" all_numbers "sweeps/$name-quick/table.csv"
    claim "$name: a picture" is_picture "sweeps/$name-quick/$name.png"
    cp "sweeps/$name-quick/table.csv" "$name.csv"
    experiment "$name"
    claim "$name, begun again: trains nothing" says "; 0 populations"
    claim "$name, begun again: the same table" cmp "$name.csv" "sweeps/$name-quick/table.csv"
done

experiment seeds --seeds 3 --out here
claim "--seeds and --out: as asked" lines here/sweep/runs.jsonl 3
experiment seeds --lenet "$work/none"
claim "without the program: exit 3" code_is 3
claim "without the program: says so" complains "$work/none: no such program"
experiment seeds --device gpu
claim "lenet's own exit code is handed on" code_is 2

# Ctrl-C in a terminal is for the experiment and for lenet.
: >"$work/out"
env --default-signal=INT setsid "$python" "$source_dir/scripts/experiments/seeds.py" --quick --lenet "$program" \
    --device cpu --seeds 100000 --out stopped >"$work/out" 2>"$work/err" &
wait_for grep -q '^run ' "$work/out"
kill -INT -- -$!
wait $! 2>/dev/null
code=$?
claim "Ctrl-C: ended by it" code_is 130
claim "  after lenet has kept what there is" says "interrupted, and kept"
claim "  without a word of its own" is_quiet

finish
