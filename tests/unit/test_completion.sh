#!/usr/bin/env bash
# The completion of command lines and the manual page say what the program's own tables say.
#   test_completion.sh LENET_PROGRAM SOURCE_DIR
# shellcheck source=tests/support/shell.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/shell.sh" "$@"

"$program" help --bash >lenet.bash
# shellcheck source=/dev/null
. ./lenet.bash
# completed WORD...: what bash proposes for the last one, joined by commas.
completed() {
    COMP_WORDS=("$@")
    COMP_CWORD=$(($# - 1))
    _lenet
    local IFS=,
    printf '%s' "${COMPREPLY[*]}"
}
# proposes WORDS WORD...
proposes() {
    local wanted=$1 found
    shift
    found=$(completed "$@")
    [ "$found" = "$wanted" ] || ! echo "        $*: '$found'" >&2
}
# options_of COMMAND: as its help lists them, joined by commas.
options_of() { "$program" "$1" --help | sed -nE 's/^  (--[a-z0-9-]+) .*/\1/p' | tr '\n' ','; }
mapfile -t commands < <("$program" help | sed -nE 's/^  ([a-z]+) .*/\1/p')

# ---- bash -----------------------------------------------------------------------------------------------------

claim "there are commands" test ${#commands[@]} -ge 9
claim "bash: the commands" proposes "$(IFS=, && echo "${commands[*]}"),help,--help,--version" lenet ''
claim "bash: what help explains" proposes train lenet help tr
for command in "${commands[@]}"; do
    claim "bash: the options of $command" proposes "$(options_of "$command")--help" lenet "$command" --
done
claim "bash: the choices of an option" proposes cross-entropy,mse,map lenet train --loss ''
claim "bash: those that begin so" proposes mse,map lenet train --loss m
claim "bash: behind an equals sign" proposes mse,map lenet train --loss = m
claim "bash: all of them" proposes cross-entropy,mse,map lenet train --loss =
claim "bash: a switch's values" proposes off,on lenet train --tf32 ''
claim "bash: an option behind a switch without one" proposes --loss lenet train --tf32 --los
architectures=$("$program" info | sed -nE '/^architectures/,/^recipes/s/^  ([a-z0-9-]+) .*/\1/p' | paste -sd ,)
claim "bash: the architectures" proposes "$architectures" lenet train --arch ''
mkdir "a folder" && touch "a file"
claim "bash: a file option takes both" test "$(completed lenet eval --weights a | tr ',' '\n' | sort)" = $'a file\na folder'
claim "bash: a directory's only directories" proposes "a folder" lenet train --data a
claim "bash: pictures to predict" test "$(completed lenet predict a | tr ',' '\n' | sort)" = $'a file\na folder'
claim "bash: nothing for a number" proposes '' lenet train --lr ''
claim "bash: without complaints" test "$(bash -n lenet.bash 2>&1)" = ""
if command -v shellcheck >/dev/null; then
    claim "bash: nor has shellcheck any" shellcheck --shell=bash lenet.bash
else
    skip "bash: shellcheck's complaints" "no shellcheck"
fi

# ---- zsh ------------------------------------------------------------------------------------------------------

"$program" help --zsh >_lenet
options_in_zsh() { sed -n "/^    $1)/,/;;\$/p" _lenet | sed -nE "s/^ *'(--[a-z0-9-]+)=\[.*/\1/p" | tr '\n' ','; }
for command in "${commands[@]}"; do
    claim "zsh: the options of $command" test "$(options_in_zsh "$command")" = "$(options_of "$command")"
done
claim "zsh: the choices of an option" grep -qF ":NAME:(cross-entropy mse map)'" _lenet
if command -v zsh >/dev/null; then
    claim "zsh reads it" zsh -n _lenet
else
    skip "zsh reads it" "no zsh"
fi

# ---- man ------------------------------------------------------------------------------------------------------

"$program" help --man >lenet.1
options_in_man() { sed -nE 's/^\\fB\\-\\-(.*)\\fR .*/--\1/p' lenet.1 | sed 's/[\\]//g' | sort; }
options_in_table() { "$program" help --markdown | sed -nE 's/^\| `(--[a-z0-9-]+) .*/\1/p' | sort; }
claim "man: there are options" test "$(options_in_table | wc -l)" -gt 50
claim "man: every option" test "$(options_in_man)" = "$(options_in_table)"
if command -v groff >/dev/null; then
    groff -man -ww -Tascii -P-cbu lenet.1 2>warnings >page
    claim "man: groff warns of nothing" test ! -s warnings
    claim "man: quotes and minuses are what is typed" grep -qF -- "--data DIR" page
else
    skip "man: groff's warnings" "no groff"
fi
if command -v mandoc >/dev/null; then
    claim "man: mandoc has no errors" mandoc -T lint -W error lenet.1
else
    skip "man: mandoc's errors" "no mandoc"
fi
finish
