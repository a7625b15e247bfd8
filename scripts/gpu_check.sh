#!/usr/bin/env bash
# gpu_check.sh - verifies and measures the CUDA backend on a machine with an NVIDIA GPU: a table, and the same as JSON.
#
# Needs only what was built, here or on another machine, and bash, coreutils and python3. A stage that fails or hangs
# (each has its time) does not keep the others from running; what was found is also written on the way. Speed is shown
# beside its goals and never fails a check. LENET_CHECK_SECONDS="tests=600 bench=500" gives stages more time.
# Exit codes: 0 all is well, 1 a stage failed, 2 usage, 3 nothing to check there, 4 no GPU.
# shellcheck disable=SC2317  # stages are called through begin
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

usage="usage: gpu_check.sh [--build DIR] [--data DIR] [--out DIR] [--minutes N] [--quick] [--without-sanitizer]
Runs everything that tells about the CUDA backend, what tells most first.
  --build DIR          what was built, with its tests (initially build/release)
  --data DIR           the data set (initially data/mnist, or data/sample where that is not there)
  --out DIR            gets gpu_check.json and the logs (initially build/gpu_check)
  --minutes N          ends within so many: what is under way then is cut short, and skipped like what comes after it
  --quick              2 epochs and 2 seeds where there are 15 and 10
  --without-sanitizer  go without compute-sanitizer, and without nvidia-smi where it is missing"

# ---- what is run, and for how many seconds at most ---------------------------------------------------

cuda_tests='*cuda*:Cuda*'
tools=(memcheck racecheck initcheck synccheck)
sanitized=(test_activation test_batch test_conv test_conv_maxpool test_dense test_elementwise test_loss test_optimizer
    test_rbf test_scale test_subsample test_cuda)
recorded_step=Cuda.TwoRunsGiveTheSameBytesRecordedOrNot # under a sanitizer, of test_cuda only this
gradchecks=(
    "--activation relu --pooling max --optimizer nesterov"
    "--activation tanh --pooling average --optimizer sgd"
    "--activation relu --pooling max --optimizer momentum"
    "--activation tanh --pooling average --optimizer adamw"
    "--arch mlp-300"
    "--arch linear"
    "--arch lenet5-1998"
    "--tf32"
    "--dense own"
)
repeated=(--seed 1 --steps 1876)                    # what is repeated, stopped and killed: 2 epochs of MNIST
fast=(--batch 128 --epochs 4 --lr 0.1 --warmup 1)   # the recipe for the time to 99 %
benches=("1" "1 --dense own" "8" "64" "1 --tf32" "64 --tf32" "256") # sizes of populations
declare -A limits=([gpu]=30 [tests]=180 [memcheck]=300 [racecheck]=300 [initcheck]=300 [synccheck]=300 [gradcheck]=120
    [same_bytes]=120 [training]=120 [time_to_99]=120 [bench]=240)
for limit in ${LENET_CHECK_SECONDS:-}; do limits[${limit%%=*}]=${limit#*=}; done

# ---- options ---------------------------------------------------------------------------------------

usage_error() {
    complain "$1"
    printf '%s\n' "$usage" >&2
    exit 2
}
build=$(here build/release) data='' out=$(here build/gpu_check) minutes='' quick=0 without_sanitizer=0
while [ $# -gt 0 ]; do
    case $1 in
    --help | -h) printf '%s\n' "$usage" && exit 0 ;;
    --quick) quick=1 ;;
    --without-sanitizer) without_sanitizer=1 ;;
    --build=?* | --data=?* | --out=?* | --minutes=?*) set -- "${1%%=*}" "${1#*=}" "${@:2}" && continue ;;
    --build | --data | --out | --minutes)
        if [ -z "${2:-}" ]; then usage_error "$1: a value is missing"; fi
        printf -v "${1#--}" %s "$2"
        shift
        ;;
    *) usage_error "$1: no such option" ;;
    esac
    shift
done
if ! [[ ${minutes:-1} =~ ^[0-9]{1,4}(\.[0-9]+)?$ ]]; then usage_error "--minutes $minutes: wanted a number, such as 8"; fi
end=$(python3 -c 'import sys; print(int(sys.argv[1]) + int(60 * float(sys.argv[2])) - 3)' $SECONDS "${minutes:-9999}")
if [ "$quick" = 1 ]; then epochs=2 seeds=(1 2); else epochs=15 seeds=({1..10}); fi

export LC_ALL=C
export LENET_REQUIRE_GPU=1    # a test that would be skipped for lack of a GPU fails
export LENET_SOURCE_DIR=$root # for tests that read data/sample and were built where the tree was elsewhere

# ---- first looks -----------------------------------------------------------------------------------

lenet=$build/lenet
if [ ! -x "$lenet" ]; then
    complain "$lenet: not there; build it first, or name the folder with --build"
    exit 3
fi
if ! info=$(timeout 60 "$lenet" info 2>&1); then
    complain "$lenet info failed: ${info##*$'\n'}"
    exit 3
fi
device=$(sed -n 's/^  cuda  *//p' <<<"$info")
if [[ $device == "not available"* || -z $device ]]; then
    complain "no GPU to check: cuda ${device:-is not among the devices of $lenet info}"
    exit 4
fi

if [ -z "$data" ]; then
    data=$(here data/mnist)
    if [ ! -d "$data" ]; then
        data=$(here data/sample)
        step "data/mnist is not there (scripts/get_mnist.sh gets it): data/sample instead"
    fi
fi
if [ ! -d "$data" ]; then
    complain "$data: no such directory"
    exit 3
fi
# is_mnist: is it the whole of MNIST, raw or compressed? Only then results have bounds.
is_mnist() {
    python3 - "$data" "$root/data/mnist.sha256" <<'PYTHON'
import gzip
import hashlib
import sys
from pathlib import Path

for line in Path(sys.argv[2]).read_text().splitlines():
    wanted, name = line.split()
    raw, packed = Path(sys.argv[1], name), Path(sys.argv[1], name + ".gz")
    content = raw.read_bytes() if raw.exists() else gzip.decompress(packed.read_bytes()) if packed.exists() else b""
    if hashlib.sha256(content).hexdigest() != wanted:
        sys.exit(1)
PYTHON
}
if is_mnist; then mnist=1; else mnist=0; fi

commit=${LENET_COMMIT:-}
if [ -z "$commit" ] && [ -r "$build/COMMIT" ]; then commit=$(<"$build/COMMIT"); fi
if [ -z "$commit" ]; then
    commit=$(git -C "$root" describe --always --abbrev=40 --dirty --exclude '*' 2>/dev/null || echo unknown)
fi

sanitizer=$(command -v compute-sanitizer || true)
if [ -z "$sanitizer" ]; then sanitizer=$(command -v "${CUDA_HOME:-/usr/local/cuda}/bin/compute-sanitizer" || true); fi

if [ -n "$(ls -A "$out" 2>/dev/null)" ] && [ ! -e "$out/gpu_check.json" ]; then
    complain "$out: not empty, and not an earlier check's"
    exit 2
fi
logs=$out/logs runs=$out/runs
rm -rf "$logs" "$runs"
mkdir -p "$logs" "$runs"
echo '{"complete": false}' >"$out/gpu_check.json"

# ---- stages ----------------------------------------------------------------------------------------
#
# A stage is a function. It leaves in $logs: NAME.log, what was run and what that printed; NAME.problems, a line each,
# where it failed; NAME.skipped, the reason, where it was skipped; NAME.facts, JSON; NAME.seconds.

end_jobs() {
    local running
    running=$(jobs -pr)
    # shellcheck disable=SC2086  # one word each
    if [ -n "$running" ]; then kill $running 2>/dev/null || true; fi
}
with_traps() {
    trap end_jobs EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
}
with_traps

declare -A pids=()
# begin NAME [COMMAND...]: starts the stage, which is a function of that name if none is given.
begin() {
    local name=$1
    shift
    if [ $# -eq 0 ]; then set -- "$name"; fi
    echo "$name" >>"$logs/stages"
    run_stage "$name" "$@" &
    pids[$name]=$!
}
run_stage() {
    local began=${EPOCHREALTIME/./} took
    with_traps
    stage=$logs/$1 limit=${limits[$1]}
    if [ "$limit" -gt $((end - SECONDS)) ]; then limit=$((end - SECONDS)); fi
    deadline=$((SECONDS + limit))
    shift
    if is_over; then set -- skip "no time left of $minutes minutes"; fi
    "$@" >"$stage.log" 2>&1 || problem "$1 ended with exit code $?: $(grep . "$stage.log" | tail -n 1)"
    took=$(((${EPOCHREALTIME/./} - began) / 1000))
    printf '%d.%03d\n' $((took / 1000)) $((took % 1000)) >"$stage.seconds"
}
# await NAME: until it has ended, and prints how.
await() {
    local end=passed code=0 took
    wait "${pids[$1]}" || code=$?
    if [ ! -s "$logs/$1.seconds" ]; then
        echo 0 >"$logs/$1.seconds"
        echo "the stage itself ended with exit code $code" >>"$logs/$1.problems"
    fi
    if [ -e "$logs/$1.skipped" ]; then end="skipped: $(<"$logs/$1.skipped")"; fi
    if [ -e "$logs/$1.problems" ]; then end="FAILED: $(head -n 1 "$logs/$1.problems")"; fi
    took=$(<"$logs/$1.seconds")
    printf '   %-10s %6.1f s  %s\n' "$1" "$took" "$end"
    # So that a check that is cut short leaves what it has found.
    if [ "${took%.*}" -ge 10 ]; then report >/dev/null || true; fi
}
stage() {
    step "$1"
    begin "$@"
    await "$1"
}

# Is the time over, but for what the report needs?
is_over() { [ "$SECONDS" -ge "$end" ]; }
# What fails as the time ends is cut short, which is no failure.
problem() { if is_over; then skip "cut short after $minutes minutes"; else printf '%s\n' "$*" >>"$stage.problems"; fi; }
skip() { printf '%s\n' "$*" >"$stage.skipped"; }

# within COMMAND...: runs it in what is left of the stage's time.
within() {
    if [ "$SECONDS" -ge "$deadline" ]; then return 124; fi
    timeout --kill-after=5 $((deadline - SECONDS)) "$@" &
    wait $!
}
# why CODE FILE: what to say of a command that ended with this code, having printed the file.
why() {
    if [ "$1" -eq 124 ] || [ $((SECONDS + 1)) -ge "$deadline" ]; then
        echo "not done within the stage's $limit s"
    else
        echo "exit code $1: $(grep . "$2" | tail -n 1)"
    fi
}
# attempt WHAT COMMAND...: a failure is a problem of the stage, by that name. $stage.last keeps what was printed.
attempt() {
    local what=$1 code=0
    shift
    printf '\n+ %s\n' "$*"
    within "$@" >"$stage.last" 2>&1 || code=$?
    cat "$stage.last"
    if [ "$code" -ne 0 ]; then problem "$what: $(why "$code" "$stage.last")"; fi
    return "$code"
}

# analyse ARGUMENT... <<PYTHON: the arguments are in `arguments`.
prelude=$(
    cat <<'PYTHON'
import json
import os
import sys
from pathlib import Path

stage, arguments, over = os.environ["STAGE"], sys.argv[1:], os.environ["OVER"] == "1"
def problem(text):
    with open(stage + ".problems", "a") as file:
        print(text, file=file)
def facts(**values): # "summary" is for the table
    Path(stage + ".facts").write_text(json.dumps(values))
def goal(value, goal, aim, unit):
    """How a measured value compares; goals above their aim are of times, where less is better."""
    def met(bound):
        return value is not None and (value <= bound if goal > aim else value >= bound)
    verdict = ", ".join(f"{name} {bound:g} {unit} {'met' if met(bound) else 'MISSED'}"
                        for name, bound in [("goal", goal), ("aim", aim)])
    return {"value": value, "goal": goal, "aim": aim, "goal_met": met(goal), "aim_met": met(aim), "text": verdict}
def read_metrics(run):
    return [json.loads(line) for line in Path(run, "metrics.jsonl").read_text().splitlines()]
PYTHON
)
analyse() {
    local over=0
    if is_over; then over=1; fi
    { printf '%s\n' "$prelude" && cat; } | STAGE=$stage OVER=$over python3 - "$@"
}

# ---- the GPU and the tests -----------------------------------------------------------------------------

gpu() {
    if ! command -v nvidia-smi >/dev/null; then
        if [ "$without_sanitizer" = 1 ]; then skip "nvidia-smi is not here" && return; fi
        problem "not run: nvidia-smi is not here" && return
    fi
    attempt nvidia-smi nvidia-smi --query-gpu=name,memory.total,driver_version --format=csv,noheader,nounits || return 0
    analyse "$(head -n 1 "$stage.last")" <<'PYTHON'
name, memory, driver = (word.strip() for word in arguments[0].split(","))
facts(gpu=name, memory_mib=int(memory) if memory.isdigit() else None, driver=driver,
      summary=f"{name}, {memory} MiB, driver {driver}")
PYTHON
}

tests() {
    local program name count results=()
    for program in "$build"/tests/test_*; do
        name=${program##*/}
        if [[ ! -f $program || ! -x $program || $name == *_emulated ]]; then continue; fi
        attempt "$name" "$program" --gtest_list_tests --gtest_filter="$cuda_tests" || continue
        count=$(grep -c '^  ' "$stage.last") || continue
        echo "$name: $count tests"
        attempt "$name" "$program" --gtest_filter="$cuda_tests" --gtest_output="json:$logs/$name.json" ||
            [ -s "$logs/$name.json" ] || continue
        results+=("$logs/$name.json")
    done
    analyse "${results[@]}" <<'PYTHON'
counts = {"passed": 0, "failed": 0, "skipped": 0}
for path in map(Path, arguments):
    for suite in json.loads(path.read_text())["testsuites"]:
        for test in suite["testsuite"]:
            if test["status"] != "RUN":
                end = "skipped"
            else:
                end = "failed" if test.get("failures") else "skipped" if test["result"] == "SKIPPED" else "passed"
            counts[end] += 1
            if end != "passed":
                problem(f"{path.stem}: {end}: {suite['name']}.{test['name']}")
if not any(counts.values()) and not over:
    problem("no test of cuda was run")
text = ", ".join(f"{n} {end}" for end, n in counts.items())
facts(programs=len(arguments), **{f"tests_{end}": n for end, n in counts.items()},
      summary=f"{text} in {len(arguments)} programs")
PYTHON
}

# ---- compute-sanitizer ------------------------------------------------------------------------------------

# sanitize TOOL: it must say itself that it has found nothing, of a program that has run tests.
sanitize() {
    local tool=$1 options=() name filter log code found
    if [ "$without_sanitizer" = 1 ]; then skip "--without-sanitizer" && return; fi
    if [ -z "$sanitizer" ]; then problem "not run: compute-sanitizer is not here" && return; fi
    if [ "$tool" = memcheck ]; then options=(--leak-check full); fi
    for name in "${sanitized[@]}"; do
        filter=$cuda_tests log=$logs/$tool-$name.log code=0
        if [ "$name" = test_cuda ]; then filter=$recorded_step; fi
        echo "$name: ${log##*/}"
        within "$sanitizer" --tool "$tool" "${options[@]}" --error-exitcode 99 "$build/tests/$name" \
            --gtest_filter="$filter" >"$log" 2>&1 || code=$?
        found=$(grep -E '^=+ [A-Z]+ SUMMARY: |^\[  PASSED  \] [1-9]' "$log") || true
        if [[ $found =~ [A-Z]+\ SUMMARY:\ [1-9][^$'\n']* ]]; then
            problem "$name: ${BASH_REMATCH[0]}"
        elif [ "$code" -ne 0 ]; then
            problem "$name: $(why "$code" "$log")"
        elif [[ ! $found =~ (ERROR|RACECHECK)\ SUMMARY:\ 0\  ]]; then
            problem "$name: no summary of $tool"
        elif [[ $found != *PASSED* ]]; then
            problem "$name: no test was run"
        fi
    done
    printf '{"programs": %d, "summary": "%d programs"}\n' ${#sanitized[@]} ${#sanitized[@]} >"$stage.facts"
}

# ---- gradcheck --------------------------------------------------------------------------------------------

gradcheck() {
    local i options results=()
    for i in "${!gradchecks[@]}"; do
        read -ra options <<<"${gradchecks[$i]}"
        attempt "${gradchecks[$i]}" "$lenet" gradcheck --device cuda --seed 1 "${options[@]}" \
            --json "$logs/gradcheck-$i.json" || true
        results+=("${gradchecks[$i]}" "$logs/gradcheck-$i.json")
    done
    analyse "${results[@]}" <<'PYTHON'
worst = {"float": [0, 0], "tf32": [0, 0]}
for options, path in zip(arguments[::2], map(Path, arguments[1::2])):
    if not path.exists():
        continue
    result = json.loads(path.read_text())
    rows = result["against_double"]
    if result["device"] != "cuda" or not rows or not all(row["passed"] for row in rows + result["against_slope"]):
        problem(f"{options}: not every tensor passed on cuda")
    of = worst["tf32" if "--tf32" in options else "float"]
    for i, error in enumerate(["norm_error", "max_error"]):
        of[i] = max(of[i], *(row[error] or 0 for row in rows), 0) # null, for NaN, has not passed
worst = {of: [float(f"{error:.3g}") for error in errors] for of, errors in worst.items()}
(norm, largest), (norm_tf32, largest_tf32) = worst.values()
facts(checks=len(arguments) // 2, worst_norm_error=norm, worst_max_error=largest,
      worst_norm_error_tf32=norm_tf32, worst_max_error_tf32=largest_tf32,
      summary=f"worst {norm:.2g} of the norm, {largest:.2g} of the largest; TF32 {norm_tf32:.2g}, {largest_tf32:.2g}")
PYTHON
}

# ---- the same bytes -----------------------------------------------------------------------------------------

untimed() { sed -E 's/,"(images_per_s|seconds)":[^,}]*//g' "$1/metrics.jsonl"; }
# expect_same WHAT RUN: as the first run.
expect_same() {
    cmp "$runs/first/last.safetensors" "$2/last.safetensors" || problem "$1: last.safetensors differs"
    [ "$(untimed "$runs/first")" = "$(untimed "$2")" ] || problem "$1: metrics.jsonl differs"
}
# interrupt SIGNAL CODE FILE: begins a run with checkpoints all the time, sends it the signal as soon as the file is
# there, and goes on with it.
interrupt() {
    local what="after SIG$1" run=$runs/$1 code=0
    if [ "$SECONDS" -ge "$deadline" ]; then problem "$what: no time left" && return; fi
    rm -f "$stage.pid"
    printf '\n+ %s\n' "$what"
    # shellcheck disable=SC2016  # is expanded by the inner bash
    timeout --kill-after=5 $((deadline - SECONDS)) bash -c 'echo $$ >"$0" && exec "$@"' "$stage.pid" \
        "$lenet" train "${options[@]}" --run "$run" --checkpoint-seconds 0 >"$stage.last" 2>&1 &
    while [ ! -s "$run/$3" ] && kill -0 $! 2>/dev/null; do sleep 0.002; done
    kill -"$1" "$(<"$stage.pid")" || true
    wait $! || code=$?
    cat "$stage.last"
    if [ "$code" -ne "$2" ] || grep -q '^done: ' "$stage.last"; then
        problem "$what: not stopped in mid-run: $(why "$code" "$stage.last")"
        return 0
    fi
    attempt "$what" "$lenet" train --resume "$run" || return 0
    expect_same "$what" "$run"
}
same_bytes() {
    local options=(--device cuda --data "$data" "${repeated[@]}")
    attempt "first run" "$lenet" train "${options[@]}" --run "$runs/first" || return 0
    attempt "second run" "$lenet" train "${options[@]}" --run "$runs/second" && expect_same "second run" "$runs/second"
    interrupt TERM 143 metrics.jsonl
    interrupt KILL 137 last.safetensors
    analyse "$(sha256sum <"$runs/first/last.safetensors")" <<'PYTHON'
sha256 = arguments[0].split()[0]
facts(sha256=sha256, summary=f"twice, after SIGTERM, after kill -9: SHA-256 {sha256[:16]}...")
PYTHON
}

# ---- training -------------------------------------------------------------------------------------------------

training() {
    attempt training "$lenet" train --device cuda --data "$data" --epochs "$epochs" --run "$runs/training" || return 0
    analyse "$runs/training" "$mnist" "$epochs" <<'PYTHON'
metrics = read_metrics(arguments[0])
error, seconds = 1 - metrics[-1]["test_accuracy"], metrics[-1]["seconds"]
images_per_s = len(metrics) / sum(1 / epoch["images_per_s"] for epoch in metrics)
if len(metrics) != int(arguments[2]) and not over:
    problem(f"{len(metrics)} epochs instead of {arguments[2]}")
if arguments[1:] == ["1", "15"] and not over and not error < 0.01:
    problem(f"test error {100 * error:.2f} %, not below 1 %")
facts(epochs=len(metrics), test_error=round(error, 6), train_seconds=round(seconds, 3),
      images_per_s=round(images_per_s),
      summary=f"{len(metrics)} epochs: test error {100 * error:.2f} %, {seconds:.2f} s, {images_per_s:,.0f} images/s")
PYTHON
}

time_to_99() {
    local seed done=()
    if [ "$mnist" = 0 ]; then skip "needs the whole of MNIST" && return; fi
    for seed in "${seeds[@]}"; do
        attempt "seed $seed" "$lenet" train --device cuda --data "$data" "${fast[@]}" --seed "$seed" \
            --run "$runs/fast-$seed" && done+=("$runs/fast-$seed")
    done
    analyse "${fast[*]}" "${done[@]}" <<'PYTHON'
runs = [read_metrics(run) for run in arguments[1:]]
first = [next((round(epoch["seconds"], 4) for epoch in run if epoch["test_accuracy"] >= 0.99), None) for run in runs]
reached = [seconds for seconds in first if seconds is not None]
mean = round(sum(reached) / len(reached), 4) if reached else None
final = sum(1 - run[-1]["test_accuracy"] for run in runs) / len(runs) if runs else 1
text = f"{len(reached)} of {len(runs)} seeds"
if reached:
    text += f", {mean:.3f} s on average ({min(reached):.3f} to {max(reached):.3f})"
verdict = goal(mean if len(reached) == len(runs) else None, 0.3, 0.1, "s")
facts(options=arguments[0], seeds=len(runs), never=len(runs) - len(reached), mean_seconds=mean, seconds_to_99=first,
      mean_final_error=round(final, 6), goal=verdict, summary=f"{text}; {verdict['text']}")
PYTHON
}

# ---- benchmarks --------------------------------------------------------------------------------------------------

bench() {
    local size file code options results=() note=
    for size in "${benches[@]}"; do
        read -ra options <<<"$size"
        file=${size// --/-}
        file=$logs/bench-${file// /-}.json
        printf '\n+ %s networks\n' "$size"
        code=0
        within "$lenet" bench --device cuda --batch 128 --networks "${options[@]}" --json "$file" >"$stage.last" 2>&1 ||
            code=$?
        cat "$stage.last"
        if [ "$size" = 256 ] && [ "$code" -eq 3 ] && grep -q "out of.* memory" "$stage.last"; then
            note="; not enough memory for 256"
        elif [ "$code" -ne 0 ]; then
            problem "$size networks: $(why "$code" "$stage.last")"
        else
            results+=("$file")
        fi
    done
    analyse "$note" "$root/docs/kernels_predicted.tsv" "${results[@]}" <<'PYTHON'
predicted = {} # (operation, R, the how-manieth of the step): its layer, and microseconds by the model
table = Path(arguments[1])
for line in table.read_text().splitlines() if table.exists() else []:
    if not line.startswith("#"):
        kernel, R, us, _ = line.split("\t")
        operation, _, layer = kernel.partition(" ")
        times = sum(key[:2] == (operation, int(R)) for key in predicted)
        predicted[operation, int(R), times] = layer, float(us)
def beside_model(R, operations):
    """Each operation with what the model says of it."""
    seen = []
    for of in operations:
        name, us = of["operation"], float(f"{1e6 * of['seconds']:.6g}")
        layer, model = predicted.get((name, R, seen.count(name)), ("", None))
        seen.append(name)
        yield {"operation": f"{name} {layer}".strip(), "microseconds": us, "predicted": model}
def text_of(of):
    text = f"  {of['operation']:36} {of['microseconds']:8.1f} us"
    if of["predicted"] is None:
        return text + ", no prediction"
    ratio = of["microseconds"] / of["predicted"]
    return text + f", predicted {of['predicted']:g}: {ratio:.2f} times" + ("" if 0.5 < ratio < 2 else ", FAR OFF")
rows = []
for path in map(Path, arguments[2:]):
    bench = json.loads(path.read_text())
    R, step, speed = bench["networks"], bench["step_seconds"], bench["images_per_s"]
    if bench["device"] != "cuda":
        problem(f"{path.stem}: ran on {bench['device']}")
    row = {"networks": R, "tf32": "tf32" in path.stem, "own_dense": "own" in path.stem, "batch": bench["batch"],
           "step_seconds": step, "epoch_seconds": 60000 * R / speed, "network_epochs_per_s": speed / 60000,
           "peak_flops_per_s": bench["peak_flops_per_s"],
           "fraction_of_peak": bench["step_flops"] / step / bench["peak_flops_per_s"]}
    kind = "TF32" if row["tf32"] else "own " if row["own_dense"] else "FP32"
    text = (f"{R:3d} x {kind} {1e6 * step:9.1f} us/step {60000 * R / speed:8.4f} s/epoch"
            f" {speed / 60000:8.1f} network-epochs/s {100 * row['fraction_of_peak']:5.1f} % of peak")
    if R == 1:
        row["goal"] = goal(row["epoch_seconds"], 0.03, 0.01, "s")
    if R == 64:
        row["goal"] = goal(row["network_epochs_per_s"], 60, 180, "/s")
    row["text"] = text + (f"; {row['goal']['text']}" if "goal" in row else "")
    rows.append({k: float(f"{v:.6g}") if isinstance(v, float) else v for k, v in row.items()})
    if not row["tf32"] and not row["own_dense"] and any(R == of[1] for of in predicted):
        rows[-1]["operations"] = list(beside_model(R, bench["operations"]))
        rows[-1]["text"] = "\n    ".join([rows[-1]["text"], *map(text_of, rows[-1]["operations"])])
peak = max((row["peak_flops_per_s"] for row in rows), default=0)
facts(runs=rows, summary=f"{len(rows)} runs, batch 128; peak {peak / 1e12:.1f} TFLOP/s{arguments[0]}")
PYTHON
}

# ---- the report --------------------------------------------------------------------------------------------------

# report [complete]: writes the JSON of the stages so far, and prints the table. Fails where one has failed.
date=$(date -u +%Y-%m-%dT%H:%M:%SZ) version=$("$lenet" --version)
report() {
    python3 - "$out" "$root" "${1:-}" "$date" "$commit" "$version" "$device" "$mnist" "$quick" <<'PYTHON'
import json
import sys
from pathlib import Path

out, root, complete, date, commit, version, device, mnist, quick = sys.argv[1:]
logs = Path(out, "logs")
def lines(path):
    """Without the paths of this machine: the result is made to be kept."""
    text = path.read_text(errors="replace") if path.exists() else ""
    return [line.replace(out + "/", "").replace(root + "/", "")[:300] for line in text.splitlines()]
stages, texts = [], {}
for name in lines(logs / "stages"):
    if not (logs / f"{name}.seconds").exists():
        continue # not done yet
    problems, skipped = lines(logs / f"{name}.problems"), lines(logs / f"{name}.skipped")
    stage = {"name": name, "passed": False if problems else None if skipped else True,
             "seconds": round(float((logs / f"{name}.seconds").read_text()), 1)}
    if problems:
        stage.update(problems=len(problems), first_problems=problems[:10])
    if skipped:
        stage["skipped"] = skipped[0]
    if (logs / f"{name}.facts").exists():
        stage.update(json.loads((logs / f"{name}.facts").read_text()))
    text = [stage.pop("summary")] if "summary" in stage else []
    rows = stage.get("runs", [])
    text += [row.pop("text") for row in rows]
    text += skipped + problems[:3] + ([f"and {len(problems) - 3} more: logs/{name}.log"] if len(problems) > 3 else [])
    for holder in [stage, *rows]:
        holder.get("goal", {}).pop("text", None)
    texts[name] = text
    stages.append(stage)
gpu = stages[0] if stages else {}
ends = [stage["passed"] for stage in stages]
result = {"gpu": gpu.get("gpu", "unknown"), "memory_mib": gpu.get("memory_mib"), "driver": gpu.get("driver", "unknown"),
          "date": date, "commit": commit, "lenet": version, "device": device,
          "data": "MNIST" if mnist == "1" else "not the whole of MNIST", "quick": quick == "1",
          "complete": complete == "complete", "stages": stages,
          "passed": ends.count(True), "failed": ends.count(False), "skipped": ends.count(None)}
Path(out, "gpu_check.json").write_text(json.dumps(result, indent=1) + "\n")

print(f"\n{result['gpu']}, driver {result['driver']}; {version}, commit {commit}; {result['data']}; {date}\n")
print(f"{'stage':<12} {'result':<8} {'s':>6}  figures")
for stage in stages:
    end = {True: "passed", False: "FAILED", None: "skipped"}[stage["passed"]]
    print(f"{stage['name'].replace('_', ' '):<12} {end:<8} {stage['seconds']:6.1f}  ", end="")
    print("\n    ".join(texts[stage["name"]]))
print(f"\n{out}/gpu_check.json\n{result['passed']} passed, {result['failed']} failed, {result['skipped']} skipped")
sys.exit(result["failed"] > 0)
PYTHON
}

stage gpu
stage gradcheck
stage tests
stage bench
stage same_bytes
stage training
stage time_to_99
step "${tools[*]}, at the same time"
for tool in "${tools[@]}"; do begin "$tool" sanitize "$tool"; done
for tool in "${tools[@]}"; do await "$tool"; done
report complete
