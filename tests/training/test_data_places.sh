#!/usr/bin/env bash
# Without --data every command that reads a data set finds it where src/data/places.h says, from any directory.
#   test_data_places.sh LENET_PROGRAM SOURCE_DIR
# shellcheck source=tests/support/shell.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/shell.sh" "$@"

# set_of DIRECTORY FIRST: the sample without its first FIRST training images, so that sets can be told apart by a count.
set_of() {
    mkdir -p "$1"
    python3 - "$sample" "$1" "$2" <<'PYTHON'
import gzip
import struct
import sys
from pathlib import Path

source, target, first = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
for path in source.glob("*.gz"):
    content = gzip.decompress(path.read_bytes())
    header = 16 if "images" in path.name else 8
    if "train" in path.name:
        count = struct.unpack(">I", content[4:8])[0]
        size = (len(content) - header) // count
        content = content[:4] + struct.pack(">I", count - first) + content[8:header] + content[header + first * size :]
    (target / path.stem).write_bytes(content)
PYTHON
}
train() { lenet train --device cpu --threads 1 --arch linear --steps 1 "$@"; }
trained_on() { says "from $1: $((2000 - $2)) training"; }
home=$work/home users=$work/home/.local/share/lenet/mnist shared=$work/xdg/lenet/mnist
set_of named 1 && set_of elsewhere/data/mnist 2 && set_of "$users" 3 && set_of "$shared" 4
mkdir "$work/bare" && cd elsewhere || exit 1
here=data/mnist
export HOME=$home XDG_DATA_HOME=$work/xdg LENET_DATA=$work/named

# ---- one place before another -------------------------------------------------------------------------------

train --data "$sample"
claim "--data goes before all" trained_on "$sample" 0
train
claim "then \$LENET_DATA" trained_on "$work/named" 1
LENET_DATA=../named train
claim "  which is made absolute" trained_on "$work/elsewhere/../named" 1
LENET_DATA=$work/missing train
claim "  and nothing takes its place where it leads nowhere" code_is 3
claim "  which is said" complains "$work/missing: no such data directory; likely a mistyped --data or LENET_DATA"
export LENET_DATA=
train
claim "then, as for an empty \$LENET_DATA, data/mnist here" trained_on "$here" 2
cd "$work/bare" || exit 1
train
claim "then \$XDG_DATA_HOME/lenet/mnist" trained_on "$shared" 4
XDG_DATA_HOME='' train
claim "  which is in ~/.local/share where that is empty" trained_on "$users" 3
XDG_DATA_HOME=../xdg train
claim "  or no absolute path" trained_on "$users" 3
mkdir data && ln -s "$sample" data/sample
train
claim "  and goes before data/sample here" trained_on "$shared" 4
XDG_DATA_HOME=$work/nothing train
claim "then data/sample here" trained_on data/sample 0
rm -r data
XDG_DATA_HOME=$work/nothing train
claim "and nothing else: exit 3" code_is 3
claim "  the message has the places that were looked at" complains "data/mnist, $work/nothing/lenet/mnist, data/sample"
claim "  and what to do" complains "scripts/get_mnist.sh --user gets MNIST, --data or LENET_DATA names another"
XDG_DATA_HOME='' HOME='' train
claim "  without a home there is a place less" complains "no data set in data/mnist, data/sample;"
XDG_DATA_HOME=/$(printf 'x%.0s' {1..5000}) train
claim "a path that is too long is refused" complains "this path has"

# ---- what is recorded, and the other commands -------------------------------------------------------------------

train --run run --checkpoint-seconds 0
claim "run.json has the place as an absolute path" grep -qF "\"directory\":	\"$shared\"" run/run.json
cd "$work" || exit 1
lenet train --resume bare/run
claim "  so that a resume from another directory finds it" code_is 0
lenet eval --run bare/run
claim "  and so does eval" says "$shared"
cp bare/run/last.safetensors weights.safetensors
lenet eval --weights weights.safetensors
claim "eval of weights alone looks in the same places" says "$shared"
lenet export --weights weights.safetensors --format c --out digits.c
claim "and so does export" says "on 1996 calibration images"
lenet sweep --device cpu --threads 1 --arch linear --steps 1 --seed 1,2 --out sweep
claim "and sweep" grep -qF "$shared" sweep/sweep.json

# ---- lenet info ---------------------------------------------------------------------------------------------

lenet info
claim "info lists the places" says "  data/mnist: not there"
claim "  with the one that is used" says "  $shared: there, used without --data"
LENET_DATA=$work/missing lenet info
claim "  also where \$LENET_DATA leads nowhere" says "  $work/missing: not there, used without --data"
finish
