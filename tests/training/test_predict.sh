#!/usr/bin/env bash
# test_predict.sh LENET_PROGRAM SOURCE_DIR - lenet predict: the answers to picture files are those to the digits in
# them, and whatever else lies in a folder is told apart.
# shellcheck source=tests/support/shell.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/shell.sh" "$@"

# shellcheck source=scripts/common.sh
. "$source_dir/scripts/common.sh"
python=$(python_with numpy matplotlib PIL) || {
    echo "no python3 here with numpy, matplotlib and Pillow"
    exit 77
}

# ---- pictures ----------------------------------------------------------------------------------------

# All but the first kind of 100 digits, ten of each class, in the order of the test set.
cat >pictures.py <<'END'
import gzip, os, sys
import numpy as np
from PIL import Image, ImageFilter

images = np.frombuffer(gzip.open(sys.argv[1] + "/t10k-images-idx3-ubyte.gz").read()[16:], np.uint8).reshape(-1, 28, 28)
rng = np.random.default_rng(1)


def large(digit, side):
    return np.asarray(Image.fromarray(digit).resize((side, side), Image.BICUBIC)) / 255.0


def paper(ink, light=0.3, noise=6):
    y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in ink.shape), indexing="ij")
    return 190 * (1 + light * (0.6 * x - 0.4 * y)) * (1 - 0.7 * ink) + rng.normal(0, noise, ink.shape)


def grey(values):
    return Image.fromarray(np.rint(np.clip(values, 0, 255)).astype(np.uint8))


def transparent(digit, colour):
    picture = np.full((112, 112, 4), colour, np.uint8)
    picture[..., 3] = 255 * large(digit, 112)
    picture[picture[..., 3] == 0] = [9, 200, 90, 0]
    return Image.fromarray(picture, "RGBA")


def on_sheet(ink, side):
    sheet = np.zeros((side, side))
    y, x = rng.integers(side // 20, side - len(ink) - side // 20, 2)
    sheet[y:y + len(ink), x:x + len(ink)] = ink
    return sheet


def pen(digit, size):
    return np.asarray(grey(255 * large(digit, 200)).filter(ImageFilter.MaxFilter(abs(size)) if size > 0 else
                                                           ImageFilter.MinFilter(abs(size)))) / 255.0


def photograph(digit):
    picture = paper(on_sheet(large(digit, 200), 300), 0.2)
    picture[:, 230:] *= 0.75
    return grey(picture).filter(ImageFilter.GaussianBlur(1))


kinds = {
    "sizes": lambda d: grey(abs(255 * rng.integers(2) - 255 * large(d, int(rng.integers(40, 400))))),
    "paper": lambda d: grey(paper(large(d, 140))),
    "dark-paper": lambda d: grey(255 - paper(large(d, 140))),
    "black-on-nothing": lambda d: transparent(d, 0),
    "white-on-nothing": lambda d: transparent(d, 255),
    "coloured": lambda d: Image.fromarray(np.uint8([250, 230, 120] + large(d, 90)[..., None] * [-220, -110, 90])),
    "thick": lambda d: grey(255 - 255 * pen(d, 9)),
    "thin": lambda d: grey(255 - 255 * pen(d, -5)),
    "large-margins": lambda d: grey(paper(on_sheet(large(d, 80), 600), 0.05, 2)),
    "photographs": photograph,
}
os.mkdir("plain")
for i, digit in enumerate(images):
    grey(digit).save(f"plain/{i:03d}.png")
for name, kind in kinds.items():
    os.mkdir(name)
    for i in range(0, len(images), 5):
        ending = "jpg" if name == "photographs" else "png"
        kind(images[i]).save(f"{name}/{i:03d}.{ending}")
END
"$python" pictures.py "$sample" || exit 1

lenet train --data "$sample" --device cpu --epochs 12 --run run
claim "a network trains" code_is 0
lenet eval --run run
cp run/eval.json eval.json

# ---- answers --------------------------------------------------------------------------------------------

# same FILE SHARE: of the answers in a JSON file, which are named after the digits, so many are those of lenet eval.
cat >same.py <<'END'
import json, sys
known = json.load(open("eval.json"))["predictions"]
answers = json.load(open(sys.argv[1]))
same = sum(a["status"] == "ok" and a["classes"][0] == known[int(a["file"].split("/")[-1][:3])] for a in answers)
print(f"{sys.argv[1]}: {same} of {len(answers)} as eval says")
sys.exit(same < float(sys.argv[2]) * len(answers) or not answers)
END
same() { "$python" same.py "$1" "$2" >>"$work/err"; }

lenet predict --run run --json plain.json --show plain-ubyte plain
claim "digits as PNG: exit 0" code_is 0
claim "  it complains of nothing" is_quiet
claim "  a line for each" test "$(wc -l <"$work/out")" -eq 500
answer='[0-9] \([0-9.]+ %\)'
claim "  with the three best classes" test \
    "$(grep -cE "^plain/[0-9]{3}\.png: $answer, $answer, $answer\$" "$work/out")" -eq 500
claim "  every answer is that of lenet eval" same plain.json 1
claim "  and what was shown is the data set, to the byte" cmp plain-ubyte <(gunzip -c "$sample"/t10k-images*)
cp "$work/out" one-thread
lenet predict --run run --threads 3 plain
claim "  for any number of threads" cmp "$work/out" one-thread
lenet predict --weights run/last.safetensors plain
claim "  and for the weights by themselves" cmp "$work/out" one-thread

# Of 100 digits five and more have answers that hang by a thread after twelve epochs on 2,000 digits.
for kind in sizes paper dark-paper black-on-nothing white-on-nothing coloured thick thin large-margins photographs; do
    lenet predict --run run --json "$kind.json" "$kind"
    claim "$kind: exit 0" code_is 0
    claim "  nine of ten answers are those to the digits themselves" same "$kind.json" 0.9
done

"$python" -c '
import json
a = json.load(open("paper.json"))[0]
assert list(a) == ["file", "status", "classes", "probabilities"], a
assert sorted(a["classes"]) == list(range(10)) and a["probabilities"] == sorted(a["probabilities"])[::-1], a
assert abs(sum(a["probabilities"]) - 1) < 1e-6, a'
claim "JSON has all classes in the order of their probabilities, which add up to 1" test $? -eq 0

mkdir both && cp run/last.safetensors both/a.safetensors
lenet train --data "$sample" --device cpu --epochs 2 --seed 2 --run other
cp other/last.safetensors both/b.safetensors
lenet predict --weights both --json both.json plain/000.png
claim "a directory of weights: exit 0" code_is 0
lenet predict --run run --json a.json plain/000.png
lenet predict --run other --json b.json plain/000.png
"$python" -c '
import json
p = [dict(zip(a["classes"], a["probabilities"])) for a in (json.load(open(n + ".json"))[0] for n in ("a", "b", "both"))]
assert all(abs((p[0][c] + p[1][c]) / 2 - p[2][c]) < 1e-9 for c in p[0]), p'
claim "  the mean of the probabilities" test $? -eq 0
lenet train --data "$sample" --device cpu --arch lenet5-1998 --epochs 1 --run rbf
lenet eval --run rbf
cp rbf/eval.json eval.json
lenet predict --run rbf --json rbf.json plain
claim "a network with RBF outputs answers as in lenet eval" same rbf.json 1

# ---- what else there is ------------------------------------------------------------------------------------

"$python" -c '
from PIL import Image
Image.new("L", (300, 200), 255).save("blank.png")'
lenet predict --run run blank.png
claim "a blank picture: exit 0" code_is 0
claim "  there is no digit" says "blank.png: no digit here"
"$program" predict --run run - <plain/007.png >"$work/out" 2>"$work/err"
code=$?
claim "standard input: exit 0" code_is 0
claim "  the answer to it" test "$(cut -d : -f 2 "$work/out")" = "$(sed -n 8p one-thread | cut -d : -f 2)"
: | "$program" predict --run run - >"$work/out" 2>"$work/err"
code=$?
claim "standard input without a byte: exit 3" code_is 3
claim "  says so" complains "-: an empty file"

mkdir -p mixed/inner
cp plain/003.png mixed/inner/
cp plain/001.png plain/002.png mixed/
echo "a note" >mixed/notes.txt
mkdir -p mixed/inner/deepest
touch mixed/.hidden
lenet predict --run run --json mixed.json mixed
claim "a directory with other files: exit 0" code_is 0
claim "  its pictures and those of directories in it, in order" test "$(cut -d : -f 1 "$work/out" | tr '\n' ' ')" = \
    "mixed/001.png mixed/002.png mixed/inner/003.png "
claim "  as is a directory that is deeper" complains "mixed/inner/deepest: a directory"
claim "  the others are named" complains "mixed/notes.txt: a text, wanted an image in PNG, JPEG, PGM or PPM (skipped)"
head -c 60 plain/001.png >mixed/cut.png
lenet predict --run run --json mixed.json --show mixed.png mixed/cut.png missing.png mixed/002.png mixed/notes.txt \
    blank.png
claim "pictures that cannot be read among others: exit 3" code_is 3
claim "  each is named" complains "mixed/cut.png: a damaged PNG" && complains "missing.png: cannot open"
claim "  and so is a text that was asked for" complains "mixed/notes.txt: a text"
claim "  at the end, their number" complains "3 images could not be read"
claim "  the others are answered" says "mixed/002.png: " && says "blank.png: no digit here"
claim "  JSON has all of them" test "$("$python" -c '
import json
print([a["status"] for a in json.load(open("mixed.json"))])')" = "['error', 'error', 'ok', 'error', 'no digit']"
claim "  a sheet shows them" test "$("$python" -c '
from PIL import Image
print(Image.open("mixed.png").size)')" = "(92, 62)"

mkdir odd
cp plain/002.png odd/$'a \\" \n\xff\xc3\xa9.png'
cp mixed/cut.png odd/$'\xc3.png'
lenet predict --run run --json odd.json odd
claim "names in other encodings: JSON is UTF-8 all the same" test "$("$python" -c '
import json
print(ascii([(a["file"], a["status"]) for a in json.load(open("odd.json", encoding="utf-8"))]))')" = \
    "[('odd/a \\\\\" \\n\\ufffd\\xe9.png', 'ok'), ('odd/\\ufffd.png', 'error')]"

cp plain/000.png ./--odd.png
lenet predict --run run -- --odd.png
claim "a name that begins with dashes, behind --: exit 0" code_is 0
claim "  is answered" says "--odd.png: "
lenet predict --weights run/last.safetensors --first-label 3 --json labels.json plain/000.png
lenet predict --weights run/last.safetensors --json outputs.json plain/000.png
claim "--first-label: classes are called by their labels" test "$("$python" -c '
import json
a, b = (json.load(open(name))[0]["classes"] for name in ("labels.json", "outputs.json"))
print([m - n for m, n in zip(a, b)])')" = "[3, 3, 3, 3, 3, 3, 3, 3, 3, 3]"

lenet predict --show shown.idx3 plain/000.png plain/001.png
claim "--show alone, without a network: exit 0" code_is 0
claim "  an IDX file" test "$(stat -c %s shown.idx3)" -eq $((16 + 2 * 784))
"$python" -c '
from PIL import Image
Image.open("plain/000.png").transpose(Image.ROTATE_90).resize((56, 56), 0).save("large.png")'
lenet predict --as-is --show as-is-ubyte large.png
claim "--as-is: exit 0" code_is 0
claim "  the picture is only scaled" "$python" -c '
import numpy as np
from PIL import Image
shown = np.frombuffer(open("as-is-ubyte", "rb").read()[16:], np.uint8).reshape(28, 28)
assert (shown == np.asarray(Image.open("plain/000.png").transpose(Image.ROTATE_90))).all()'

"$python" "$source_dir/scripts/experiments/own_digits.py" --lenet "$program" --run run --data "$sample" --count 4 \
    --picture own.png >"$work/out" 2>"$work/err"
code=$?
claim "the experiment: exit 0" code_is 0
claim "  a line for each kind of picture" test "$(grep -cE '^\| .* % \| ' "$work/out")" -eq 24
claim "  and a picture" test -s own.png

# ---- what is refused ---------------------------------------------------------------------------------------

# refused TEXT CODE PIECE ARGUMENT...
refused() {
    local text=$1 want=$2 piece=$3
    shift 3
    lenet predict "$@"
    claim "$text: exit $want" code_is "$want"
    claim "  says why, in one line" test "$(wc -l <"$work/err")" -eq 1 && complains "$piece"
}
refused "no image" 2 "of which images?" --run run
refused "no network" 2 "give --run DIR or --weights FILE" plain/000.png
refused "a run's directory as weights" 2 "did you mean --run run?" --weights run plain/000.png
refused "a network that is not there" 3 "nowhere/last.safetensors" --run nowhere plain/000.png
refused "a picture as weights" 3 "plain/000.png" --weights plain/000.png plain/000.png
refused "--show of no known kind" 2 "--show shown.gif: wanted a name" --run run --show shown.gif plain/000.png
refused "--show in a directory that is not there" 3 "nowhere/a.png" --run run --show nowhere/a.png plain/000.png
refused "--json in a directory that is not there" 3 "nowhere/a.json" --run run --json nowhere/a.json plain/000.png
claim "  before any is answered" test ! -s "$work/out"
refused "--json among the weights" 2 "would replace the weights" --run run --json run/last.safetensors plain/000.png
mkdir many && touch many/{00001..16385}.png
refused "more pictures than fit on a sheet" 2 "16385 pictures, wanted at most 16384" --run run --show many.png many
claim "  before any is read" test ! -s "$work/out"
mkdir empty
refused "an empty directory" 3 "empty: an empty directory" --run run empty
"$program" predict --run run plain >/dev/full 2>"$work/err"
code=$?
claim "output to a full disk: exit 3" code_is 3
claim "  says so" complains "the output could not be written"
for file in a.png a-ubyte; do
    lenet predict --run run --show /dev/full plain/000.png --show "/dev/full/$file"
    claim "what was shown cannot be written ($file): exit 3" code_is 3
done
mkfifo pipe later
"$program" predict --run run plain plain - <later >"$work/out" 2>"$work/err" &
exec 3>later
answered() { [ "$(wc -l <"$work/out")" -ge 500 ]; }
wait_for answered # all but the one on standard input
kill -INT $! && wait $!
code=$?
exec 3>&-
claim "Ctrl-C after some answers: ends by the signal" code_is 130
claim "  and they are kept, each line whole" test "$(grep -cE "$answer, $answer, $answer\$" "$work/out")" -ge 500
"$program" predict --run run - <pipe >"$work/out" 2>"$work/err" &
exec 3>pipe # open, and nothing comes
sleep 0.2
kill -INT $! && wait $!
code=$?
exec 3>&-
claim "Ctrl-C while it waits: ends by the signal" code_is 130

finish
