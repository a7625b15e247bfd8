#!/usr/bin/env bash
# test_gpu_check.sh - gpu_check.sh against a fake build, a fake GPU and a fake compute-sanitizer.
#
# The script runs from a copy of the tree and sees only the tools linked into $bin. What is broken is the name of a
# file in $broken, at which the fakes look. Prints one line per claim; exits 1 when one does not hold.
set -uo pipefail

source_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bin=$work/bin broken=$work/broken tree=$work/tree
build=$tree/build/release out=$tree/build/gpu_check

failures=0
# claim TEXT COMMAND...: the command holds.
claim() {
    local text=$1
    shift
    if "$@"; then
        echo "ok      $text"
    else
        echo "FAILED  $text ($*)"
        sed 's/^/        | /' "$work/out" "$work/err" 2>/dev/null
        failures=$((failures + 1))
    fi
}

# ---- the fakes -------------------------------------------------------------------------------------

# fake PATH: a script from standard input.
fake() {
    { printf '#!/usr/bin/env bash\nbroken=%q\n' "$broken" && cat; } >"$1"
    chmod +x "$1"
}
mkdir -p "$bin" "$tree/scripts" "$tree/docs" "$tree/data/mnist" "$tree/data/sample" "$build/tests" "$work/cuda/bin"
for tool in bash env dirname mkdir rm ls cat grep sed date sleep timeout head tail cmp sha256sum; do
    ln -s "$(command -v "$tool")" "$bin/$tool" || exit 1
done
fake "$bin/python3" <<<"exec $(python3 -c 'import sys; print(sys.executable)') \"\$@\""
cp "$source_dir/scripts/common.sh" "$source_dir/scripts/gpu_check.sh" "$tree/scripts/"
echo digits >"$tree/data/mnist/train-images-idx3-ubyte"
(cd "$tree/data/mnist" && sha256sum -- *) >"$tree/data/mnist.sha256"
echo 0123abc >"$build/COMMIT"
printf '# kernel\tR\tmicroseconds\thow\n%b\n%b\n' 'conv C1\t1\t10\tcounted' 'conv C3\t1\t4\tcounted' \
    >"$tree/docs/kernels_predicted.tsv"

fake "$build/lenet" <<'FAKE'
command=$1
shift
declare -A o=([tf32]=off)
while [ $# -gt 0 ]; do
    if [ "$1" = --tf32 ]; then o[tf32]=on; else o[${1#--}]=$2 && shift; fi
    shift
done
if [[ -e $broken/hang && $command == gradcheck ]]; then sleep 60; fi
case $command in
--version) echo "lenet 9.8.7 (fake)" ;;
info)
    printf '\ndevices\n  cpu   batches in multiples of 16 images\n'
    if [ -e "$broken/gpu" ]; then
        echo "  cuda  not available: the driver finds no CUDA device"
    else
        echo "  cuda  batches in multiples of 32 images"
    fi
    ;;
gradcheck)
    passed=true error=1e-07
    if [ "${o[tf32]}" = on ]; then error=2e-04; fi
    if [[ -e $broken/gradcheck && ${o[optimizer]:-} == adamw ]]; then passed=false error=null; fi
    printf '{"device": "cuda", "against_slope": [{"passed": true}],
        "against_double": [{"norm_error": %s, "max_error": 3e-06, "passed": %s}]}' $error $passed >"${o[json]}"
    if [ $passed = false ]; then echo "lenet gradcheck: C1 is wrong" >&2 && exit 1; fi
    ;;
bench)
    if [[ -e $broken/memory && ${o[networks]} == 256 ]]; then
        echo "lenet bench: cuda: out of device memory: 9 MB wanted" >&2
        exit 3
    fi
    speed=$((o[networks] * 3000000))
    if [ -e "$broken/speed" ]; then speed=$((o[networks] * 30000)); fi
    printf '{"device": "cuda", "networks": %d, "batch": %d, "step_seconds": 0.0001, "images_per_s": %d,
        "step_flops": 2e9, "peak_flops_per_s": 8e13, "operations": [
            {"operation": "conv", "seconds": 11e-6}, {"operation": "new", "seconds": 2.5e-6},
            {"operation": "conv", "seconds": 8e-6}]}' "${o[networks]}" "${o[batch]}" $speed >"${o[json]}"
    ;;
train)
    run=${o[run]:-${o[resume]}} epochs=${o[epochs]:-2} best=0.9936 second=0.1 weights=${o[seed]:-1}
    if [ -e "$broken/error" ]; then best=0.9899; fi
    if [ -e "$broken/speed" ]; then second=1; fi
    if [[ -e $broken/bytes && $run == */second || -e $broken/resumed && $run == */KILL ]]; then weights=other; fi
    mkdir -p "$run"
    if [ -n "${o[checkpoint-seconds]:-}" ]; then trap 'echo "interrupted, and kept" && trap - TERM && kill -TERM $$' TERM; fi
    for ((i = 1; i <= epochs; i++)); do
        accuracy=0.98
        if [ $i -gt 1 ]; then accuracy=$best; fi
        printf '{"epoch":%d,"test_accuracy":%s,"images_per_s":%d,"seconds":%s%d}\n' \
            $i $accuracy $((RANDOM + 1)) $second $i
    done >"$run/metrics.jsonl"
    echo "weights $weights" >"$run/last.safetensors"
    if [ -n "${o[checkpoint-seconds]:-}" ]; then
        for ((i = 0; i < 500; i++)); do sleep 0.02; done
    fi
    echo "done: $run"
    ;;
esac
FAKE

fake "$work/test" <<'FAKE'
for argument; do
    case $argument in
    --gtest_list_tests) list=1 ;;
    --gtest_output=json:*) json=${argument#*:} ;;
    esac
done
name=${0##*/} result=COMPLETED failures='' ran=1
if [[ $name == test_unit || -e $broken/cuda ]]; then ran=0; fi
if [ -n "${list:-}" ]; then
    echo "Running main() from gtest_main.cc"
    if [ $ran = 1 ]; then printf 'Backends/Op.\n  Works/cuda  # GetParam() = "cuda"\n'; fi
    exit 0
fi
if [[ -e $broken/crash && $name == test_loss ]]; then echo "the last words" && exit 3; fi
if [[ -e $broken/test && $name == test_conv || ${LENET_REQUIRE_GPU:-} != 1 ]]; then failures=', "failures": [{}]'; fi
if [[ -e $broken/skipped && $name == test_conv ]]; then result=SKIPPED; fi
printf '{"testsuites": [{"name": "Op", "testsuite": [{"name": "Works/cuda", "status": "RUN", "result": "%s"%s}]}]}' \
    $result "$failures" >"${json:-/dev/null}"
printf '[  PASSED  ] %d test.\n' $ran
if [ -n "$failures" ]; then exit 1; fi
FAKE
for name in activation batch conv conv_maxpool dense elementwise loss optimizer rbf scale subsample cuda unit; do
    cp "$work/test" "$build/tests/test_$name"
done
fake "$build/tests/test_conv_emulated" <<<"touch $work/emulated"
touch "$build/tests/test_conv[1]_include.cmake"

fake "$work/sanitizer" <<'FAKE'
tool=$2 errors=0
if [[ -e $broken/$tool && $* == *test_dense* ]]; then errors=1; fi
while [[ $1 != */test_* ]]; do shift; done
"$@"
case $tool in
racecheck) echo "========= RACECHECK SUMMARY: $errors hazards displayed ($errors errors, 0 warnings)" ;;
synccheck) if [ $errors = 0 ]; then echo "========= ERROR SUMMARY: 0 errors"; fi ;;
*) printf '========= LEAK SUMMARY: 0 bytes leaked in 0 allocations\n========= ERROR SUMMARY: %d errors\n' $errors ;;
esac
FAKE
fake "$work/smi" <<<'echo "NVIDIA Fake 100, 81559, 550.54"'

# check BROKEN [OPTION...]: what is broken is a list of words.
check() {
    rm -rf "$broken" "$out" "$work/cuda/bin/compute-sanitizer" "$bin/nvidia-smi"
    mkdir "$broken"
    cp "$work/sanitizer" "$work/cuda/bin/compute-sanitizer"
    cp "$work/smi" "$bin/nvidia-smi"
    local word
    for word in $1; do touch "$broken/$word"; done
    if [ -e "$broken/tools" ]; then rm "$work/cuda/bin/compute-sanitizer" "$bin/nvidia-smi"; fi
    shift
    PATH=$bin CUDA_HOME=$work/cuda "$tree/scripts/gpu_check.sh" "$@" >"$work/out" 2>"$work/err"
    code=$?
}
code_is() { [ "$code" -eq "$1" ]; }
says() { grep -qF -- "$1" "$work/out"; }
complains() { grep -qF -- "$1" "$work/err"; }
ends_with() { [ "$(tail -n 1 "$work/out")" = "$1" ]; }
# fails STAGE...: these failed, no other ones, and that is the exit code.
fails() {
    local failed
    failed=$(sed -nE 's/^([a-z][a-z0-9 ]*[a-z0-9]) +FAILED +[0-9].*/\1/p' "$work/out")
    [ "$code" -eq 1 ] && [ "$failed" = "$(printf '%s\n' "$@")" ]
}
# in_stage NAME TEXT: one of the stage's problems.
in_stage() { grep -qxF -- "$2" "$out/logs/$1.problems"; }
# json EXPRESSION: holds of the JSON r and its stages s, by name.
json() {
    python3 - "$out/gpu_check.json" "$1" <<'PYTHON'
import json, sys
r = json.load(open(sys.argv[1]))
s = {stage["name"]: stage for stage in r["stages"]}
sys.exit(not eval(f"({sys.argv[2]})"))
PYTHON
}

# ---- all is well -----------------------------------------------------------------------------------

check ""
claim "all is well: exit 0" code_is 0
claim "  and it complains of nothing" test ! -s "$work/err"
claim "  the last line counts the stages" ends_with "11 passed, 0 failed, 0 skipped"
for name in gpu tests memcheck racecheck initcheck synccheck gradcheck "same bytes" training "time to 99" bench; do
    claim "  the table has $name" grep -qE "^$name +passed +[0-9.]+  ." "$work/out"
done
claim "  it says what the GPU is" says "NVIDIA Fake 100, driver 550.54; lenet 9.8.7 (fake), commit 0123abc; MNIST; "
claim "  the JSON, too" json 'r["gpu"] == "NVIDIA Fake 100" and r["memory_mib"] == 81559 and r["driver"] == "550.54"
    and r["commit"] == "0123abc" and r["complete"] and r["date"].endswith("Z") and r["data"] == "MNIST"'
claim "  which counts the stages, too" json 'r["passed"] == len(s) == 11 and r["failed"] == r["skipped"] == 0'
claim "  every program with tests of cuda ran" json 's["tests"]["tests_passed"] == s["tests"]["programs"] == 12'
claim "  but not the emulated ones" test ! -e "$work/emulated"
claim "  gradcheck's worst errors are there" json 's["gradcheck"]["worst_norm_error"] == 1e-7 and
    s["gradcheck"]["worst_norm_error_tf32"] == 2e-4 and s["gradcheck"]["worst_max_error"] == 3e-6'
claim "  the training's error" json 's["training"]["epochs"] == 15 and s["training"]["test_error"] == 0.0064'
claim "  ten seeds' times to 99 %" json 's["time_to_99"]["seconds_to_99"] == 10 * [0.12] and
    s["time_to_99"]["never"] == 0 and s["time_to_99"]["goal"]["goal_met"] and not s["time_to_99"]["goal"]["aim_met"]'
claim "  the benchmarks" json '[(b["networks"], b["tf32"], b["own_dense"]) for b in s["bench"]["runs"]] == [
    (1, False, False), (1, False, True), (8, False, False), (64, False, False), (1, True, False), (64, True, False),
    (256, False, False)] and s["bench"]["runs"][3]["network_epochs_per_s"] == 3200'
claim "  with their goals" json 's["bench"]["runs"][0]["goal"] == {"value": 0.02, "goal": 0.03, "aim": 0.01,
    "goal_met": True, "aim_met": False}'
claim "  the table has them, too" says "% of peak; goal 0.03 s met, aim 0.01 s MISSED"
claim "  what is measured stands beside what the model says" \
    grep -qE "  conv C1 +11.0 us, predicted 10: 1.10 times$" "$work/out"
claim "  and what is measured at twice that is far off" \
    grep -qE "  conv C3 +8.0 us, predicted 4: 2.00 times, FAR OFF$" "$work/out"
claim "  what has no prediction is measured, too" grep -qE "  new +2.5 us, no prediction$" "$work/out"
claim "  of populations that the model knows" json '[len(b.get("operations", [])) for b in s["bench"]["runs"]] ==
    [3, 0, 0, 0, 0, 0, 0] and s["bench"]["runs"][0]["operations"][2] == {"operation": "conv C3", "microseconds": 8,
    "predicted": 4}'
claim "  and names no path of this machine" test "$(grep -c "$work" "$out/gpu_check.json")" = 0

quick=(--quick --without-sanitizer)
check "speed memory error" "${quick[@]}"
claim "missed goals of speed, little memory, 1.01 % after so few epochs: exit 0" code_is 0
claim "  --quick is 2 epochs and 2 seeds" json 's["training"]["epochs"] == s["time_to_99"]["seeds"] == 2'
claim "  a missed goal is shown" says "goal 0.03 s MISSED, aim 0.01 s MISSED"
claim "  and that memory did not suffice" says "6 runs, batch 128; peak 80.0 TFLOP/s; not enough memory for 256"
claim "  and how many seeds came to 99 %" says "0 of 2 seeds; goal 0.3 s MISSED, aim 0.1 s MISSED"

mv "$tree/data/mnist" "$work/mnist"
rm "$tree/docs/kernels_predicted.tsv"
check "error tools" --without-sanitizer
claim "without MNIST: data/sample, with a note" says "data/sample instead"
claim "  has no bound on the error, and no time to 99 %: exit 0" code_is 0
claim "without predictions: none beside what is measured" json 'not any("operations" in b for b in s["bench"]["runs"])'
claim "  nor are the tools missed that need not be there" ends_with "5 passed, 0 failed, 6 skipped"
mv "$work/mnist" "$tree/data/mnist"

# ---- each failure is one of its stage ----------------------------------------------------------------

check "skipped memcheck racecheck synccheck gradcheck resumed" --quick
claim "each failure is one of its stage" fails gradcheck tests "same bytes" memcheck racecheck synccheck
claim "  a skipped test" in_stage tests "test_conv: skipped: Op.Works/cuda"
claim "  an error" in_stage memcheck "test_dense: ERROR SUMMARY: 1 errors"
claim "  a hazard" in_stage racecheck "test_dense: RACECHECK SUMMARY: 1 hazards displayed (1 errors, 0 warnings)"
claim "  a sanitizer that does not say what it found" in_stage synccheck "test_dense: no summary of synccheck"
claim "  a wrong gradient" in_stage gradcheck \
    "--activation tanh --pooling average --optimizer adamw: exit code 1: lenet gradcheck: C1 is wrong"
claim "  other bytes after --resume" in_stage same_bytes "after SIGKILL: last.safetensors differs"
claim "  the last line counts them" ends_with "5 passed, 6 failed, 0 skipped"

check "test crash bytes error" --without-sanitizer
claim "more failures" fails tests "same bytes" training
claim "  a failing test" in_stage tests "test_conv: failed: Op.Works/cuda"
claim "  a test program that dies" in_stage tests "test_loss: exit code 3: the last words"
claim "  other bytes the second time" in_stage same_bytes "second run: last.safetensors differs"
claim "  an error of 1.01 %" in_stage training "test error 1.01 %, not below 1 %"

check "tools cuda" --quick
claim "what is not there" fails gpu tests memcheck racecheck initcheck synccheck
claim "  nvidia-smi" in_stage gpu "not run: nvidia-smi is not here"
claim "  a test of cuda anywhere" in_stage tests "no test of cuda was run"
claim "  compute-sanitizer" in_stage memcheck "not run: compute-sanitizer is not here"

LENET_CHECK_SECONDS=gradcheck=2 check "hang" "${quick[@]}"
claim "what hangs fails its stage alone" fails gradcheck
claim "  by its time" in_stage gradcheck \
    "--activation relu --pooling max --optimizer nesterov: not done within the stage's 2 s"

check "hang test" --minutes 0.2 --quick
claim "--minutes: what hangs is cut short, and what comes after it left out; exit 0" code_is 0
claim "  with what it has" ends_with "1 passed, 0 failed, 10 skipped"
claim "  and says why" json 's["gradcheck"]["skipped"] == "cut short after 0.2 minutes" and
    s["tests"]["skipped"] == s["memcheck"]["skipped"] == "no time left of 0.2 minutes" and r["complete"]'
check "" --minutes soon
claim "--minutes of no number: exit 2" code_is 2

# ---- what is checked -------------------------------------------------------------------------------------

sanitized=$(sed -n '/^sanitized=(/,/)$/p' "$source_dir/scripts/gpu_check.sh")
for operation in "$source_dir"/tests/ops/test_*.cc; do
    name=$(basename "$operation" .cc)
    if [ "$name" = test_every_operation ]; then continue; fi
    claim "the sanitizers see $name" grep -qwF "$name" <<<"$sanitized"
done
claim "gradcheck sees the network of 1998" grep -qF -- '"--arch lenet5-1998"' "$source_dir/scripts/gpu_check.sh"

# ---- what cannot be checked at all -----------------------------------------------------------------------

check "gpu"
claim "no GPU: exit 4" code_is 4
claim "  with the reason" complains "no GPU to check: cuda not available: the driver finds no CUDA device"
claim "  at once" test ! -e "$out"
check "" --build "$work/nothing"
claim "nothing built: exit 3" code_is 3
check "" --fast
claim "an unknown option: exit 2" code_is 2
check "" --out "$tree/scripts"
claim "a folder of something else is not touched: exit 2" code_is 2
claim "  and is as it was" test -e "$tree/scripts/common.sh"

if [ "$failures" -gt 0 ]; then
    echo "$failures claims FAILED"
    exit 1
fi
