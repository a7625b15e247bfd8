#!/usr/bin/env bash
# test_many_classes.sh LENET_PROGRAM SOURCE_DIR - a data set of EMNIST's form trains, resumes, sweeps, is reported and
# drawn with all of its classes: the 47 of "balanced", named, and the 26 letters, whose labels begin at 1.
# shellcheck source=tests/support/shell.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/shell.sh" "$@"

python3 "$source_dir/tests/support/make_classes.py" balanced --train 2350 --test 470 --names || exit 1
python3 "$source_dir/tests/support/make_classes.py" letters --classes 26 --first-label 1 --prefix emnist-letters \
    --train 780 --test 260 --noise 20 || exit 1
options=(--device cpu --threads 2 --transpose)

# json FILE EXPRESSION: holds of the object `it` in the file.
json() { python3 -c 'import json, sys; it = json.load(open(sys.argv[1])); sys.exit(not eval(sys.argv[2]))' "$@"; }

# ---- 47 classes ----------------------------------------------------------------------------------------------

lenet info --data balanced --json info.json
claim "47 classes are told of" says "emnist-balanced from balanced: 47 classes, images of 28 x 28 pixels"
claim "  with their images and names" grep -qE '^46 +50 +10  t$' "$work/out"
claim "  and what would turn them upright" complains "--transpose"
claim "  the network has an output for each" json info.json 'it["layers"][-1]["output"] == [47, 1, 1]'

lenet train --data balanced "${options[@]}" --epochs 3 --run whole
claim "a network of 47 classes trains" code_is 0
claim "  and complains of nothing" is_quiet
claim "  which leaves few errors" json <(tail -n 1 whole/metrics.jsonl) 'it["test_accuracy"] > 0.5'
claim "  run.json has their names" json whole/run.json 'len(it["classes"]) == 47 and it["classes"][10] == "A"'
claim "  and that the images are transposed" json whole/run.json 'it["config"]["transpose"] == "on"'

"$program" train --data balanced "${options[@]}" --epochs 3 --checkpoint-seconds 0 --run cut >/dev/null &
wait_for test -s cut/last.safetensors
kill -9 $!
wait $! 2>/dev/null
lenet train --resume cut
claim "a run that was killed goes on" code_is 0
claim "  to the same bytes" cmp -s whole/last.safetensors cut/last.safetensors
lenet train --resume cut --transpose off
claim "  but not with images on their side" code_is 2
claim "    which is named" complains "--transpose is on there and off here"

lenet eval --run whole
claim "it is evaluated as it was trained" code_is 0
claim "  a line for each class, not wider than a terminal" test "$(awk '/^class/ { table = 1 } table && length > 80' "$work/out" | wc -l)" -eq 0
claim "  with its name" grep -qE '^ +10 +10 .*%  A$' "$work/out"
claim "  eval.json has the matrix of 47 x 47" json whole/eval.json \
    'len(it["confusion"]) == 47 and all(len(row) == 47 for row in it["confusion"]) and it["classes"][46] == "t"'
claim "  with all images in it" json whole/eval.json 'sum(map(sum, it["confusion"])) == 470'
claim "  and says of the confused ones which they are" says "most often confused"
lenet eval --run whole --transpose off --json side.json
claim "images on their side can be tried, too" code_is 0
claim "  and do worse" json side.json 'it["accuracy"] < 0.5'
claim "  which is not kept as the run's own" json whole/eval.json 'it["transpose"] is True'
claim "the pictures of the run are drawn" python3 "$source_dir/scripts/plot_run.py" whole
claim "  all three" test -s whole/confusion.png -a -s whole/digits.png -a -s whole/learning_curves.png
lenet info --weights whole/last.safetensors
claim "the weights know their classes" says "10 A, 11 B"

mkdir other
ln -s "$PWD"/balanced/emnist-* other
tac balanced/classes.txt >other/classes.txt
lenet eval --run whole --data other --json other.json
claim "classes with other names than in training are told of" complains "class 0 was '0' in training, and is 't' here"

lenet sweep --data balanced "${options[@]}" --epochs 1 --lr 0.02,0.05 --label-noise 0,0.2 --out sweep --keep-weights
claim "a sweep of 47 classes" code_is 0
lenet report sweep --by label-noise
claim "  is reported" test "$(grep -c '%' "$work/out")" -ge 2
claim "  and drawn" python3 "$source_dir/scripts/plot_sweep.py" sweep --by lr --out sweep.png --lenet "$program"
lenet eval --ensemble --weights sweep/weights --data balanced --transpose
claim "  and its networks answer together" says "error of 4 networks"
lenet sweep --data balanced --transpose off,on --out two
claim "a sweep has one data set, on its side or not" code_is 2

lenet train --arch lenet5-1998 --data balanced --epochs 1 --run rbf
claim "RBF outputs are refused" code_is 2
claim "  in a sentence" complains "its RBF outputs have targets for the 10 digits, and no more; the data set has 47 classes"
claim "  and leave nothing" test ! -e rbf/run.json
for arch in lenet1 lenet4 mlp-300 linear; do
    lenet train --arch "$arch" --data balanced "${options[@]}" --epochs 1 --run "$arch"
    claim "$arch takes them" code_is 0
done

# ---- labels that begin at 1 ------------------------------------------------------------------------------------

lenet info --data letters --transpose
claim "labels from 1 to 26 leave a class unused, which is told of" complains "--first-label 1"
lenet train --data letters "${options[@]}" --first-label 1 --epochs 4 --run letters-run
claim "with --first-label they are 26 classes" json <(tail -n 1 letters-run/metrics.jsonl) 'it["test_accuracy"] > 0.5'
claim "  recorded" json letters-run/run.json 'it["config"]["first-label"] == 1'
lenet eval --run letters-run
claim "  evaluated as they were trained" json letters-run/eval.json 'it["first_label"] == 1 and len(it["recall"]) == 26'
claim "  with the run's last accuracy" test "$(grep -o '"accuracy":[^,]*' letters-run/eval.json | tr -dc '0-9.')" \
    = "$(tail -n 1 letters-run/metrics.jsonl | grep -o '"test_accuracy":[^,]*' | tr -dc '0-9.')"
claim "  drawn" python3 "$source_dir/scripts/plot_run.py" letters-run
lenet eval --weights letters-run/last.safetensors --data letters --transpose
claim "without it the classes are too many, which says what helps" complains "made for 26 classes, letters has 27; "
claim "  namely the option" complains "--first-label 1"
lenet eval --run letters-run --weights whole/last.safetensors
claim "a network of more classes answers" code_is 0

finish
