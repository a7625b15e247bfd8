#!/usr/bin/env bash
# test_threads.sh LENET_PROGRAM SOURCE_DIR - whatever has several threads, with signals in its midst: trainings, sweeps,
# shards, and pictures that are read side by side. For scripts/threads.sh, whose program is built under ThreadSanitizer:
# what that finds becomes the exit code 66.
# shellcheck source=tests/support/shell.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/shell.sh" "$@"
# shellcheck source=scripts/common.sh
. "$source_dir/scripts/common.sh"
python=$(python_with PIL) || exit 77
export TSAN_OPTIONS="exitcode=66 ${TSAN_OPTIONS:-}"

no_report() { ! grep -q ThreadSanitizer "$work"/*err; }
# ends_with NAME CODE: so the last command ended.
ends_with() {
    claim "$1: exit $2" code_is "$2"
    claim "  no report" no_report
}
has_lines_or_ended() { [ "$(lines_of "$1")" -ge "$2" ] || ! kill -0 "$3" 2>/dev/null; }
lines_of() { if [ -e "$1" ]; then wc -l <"$1"; else echo 0; fi; }
# disturbed NAME SIGNAL FILE LINES ARGUMENT...: begins, and is told to stop once FILE has so many lines.
disturbed() {
    local name=$1 signal=$2 file=$3 lines=$4 pid
    shift 4
    "$program" "$@" >"$work/out" 2>"$work/err" &
    pid=$!
    wait_for has_lines_or_ended "$file" "$lines" "$pid"
    kill -s "$signal" "$pid"
    wait "$pid"
    code=$?
    ends_with "$name, stopped by SIG$signal" $((128 + $(kill -l "$signal")))
}
same_weights() { cmp "$1/last.safetensors" "$2/last.safetensors"; }

# ---- training ----------------------------------------------------------------------------------------

train=(train --data "$sample" --device cpu --epochs 2 --checkpoint-seconds 0)
# trains NAME ARGUMENT...: with three threads, to the end, and stopped in mid-run and resumed.
trains() {
    local name=$1
    shift
    lenet "${train[@]}" "$@" --threads 3 --run "$name"
    ends_with "training, $name" 0
    disturbed "training, $name" TERM "$name-stopped/metrics.jsonl" 1 "${train[@]}" "$@" --threads 3 \
        --run "$name-stopped"
    lenet train --resume "$name-stopped" --threads 2
    ends_with "  resumed" 0
    claim "  ends with the same weights" same_weights "$name" "$name-stopped"
}
trains momentum --train-size 300 --validation 50 --augment standard
trains sdlm --arch lenet5-1998 --train-size 60 --batch 8 --curvature-images 16

# ---- sweeps ------------------------------------------------------------------------------------------

sweep=(sweep --data "$sample" --device cpu --threads 2 --train-size 200 --epochs 2 --checkpoint-seconds 0)
same_runs() { cmp <(untimed_runs "$1") <(untimed_runs "$2"); }
populations=("${sweep[@]}" --lr "0.01,0.03,1e6" --seed 1..4 --population-max 3 --keep-weights on --keep-predictions on)
lenet "${populations[@]}" --out whole
ends_with "a sweep of two workers" 0
disturbed "a sweep" INT stopped/runs.jsonl 1 "${populations[@]}" --out stopped
disturbed "a sweep that goes on" USR1 stopped/runs.jsonl 6 "${populations[@]}" --out stopped
lenet "${populations[@]}" --out stopped
ends_with "  going on" 0
claim "  has the same runs" same_runs whole stopped

"$program" "${populations[@]}" --out shards --shard 1/2 >1.out 2>1.err &
first=$!
"$program" "${populations[@]}" --out shards --shard 2/2 >2.out 2>2.err
code=$?
ends_with "a second shard beside the first" 0
wait "$first"
code=$?
ends_with "the first shard" 0
claim "  they have the same runs" same_runs whole shards

# ---- reading -----------------------------------------------------------------------------------------

"$python" - "$work" <<'PYTHON' || exit 1
import sys
from PIL import Image, ImageDraw

for i in range(12):
    side = 2200 if i < 3 else 64  # three are large, of which one at a time is kept whole
    image = Image.new("L", (side, side), 230)
    ImageDraw.Draw(image).line([(side // 2, side // 5), (side // 2 + i, side * 4 // 5)], fill=20, width=side // 10)
    image.save(f"{sys.argv[1]}/{i}." + ("png", "jpg", "pgm")[1 if i < 3 else i % 3],
               **({"progressive": True} if i < 3 or i % 3 == 1 else {}))
PYTHON
lenet predict --run momentum --device cpu --threads 4 ./*.png ./*.jpg ./*.pgm
ends_with "pictures" 0
lenet eval --run momentum --data "$sample" --device cpu --threads 4
ends_with "eval" 0
finish
