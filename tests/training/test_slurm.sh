#!/usr/bin/env bash
# test_slurm.sh LENET_PROGRAM SOURCE_DIR - scripts/slurm_sweep.sbatch in a Slurm of one node, which this test starts
# and stops: its configuration, key, sockets, logs and ports are its own, so that it meets no other Slurm.
#
# Skipped (77) where it is not root, or where Slurm is not installed (Debian: slurm-wlm munge) or does not start.
# shellcheck source=tests/support/shell.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/shell.sh" "$@"

script=${sample%/data/sample}/scripts/slurm_sweep.sbatch

# skip_all REASON: nothing here can be tried. The logs of what was started come first.
skip_all() {
    tail -n 5 "$work"/*.log 2>/dev/null
    echo "$1"
    exit 77
}

if [ "$(id -u)" -ne 0 ]; then skip_all "this is not root, which a Slurm of its own needs"; fi
PATH=$PATH:/usr/sbin:/sbin
for tool in munged slurmctld slurmd sbatch squeue scontrol scancel setpriv; do
    if ! command -v "$tool" >/dev/null; then skip_all "no $tool here (Debian: slurm-wlm munge)"; fi
done

# ---- a Slurm of one node ------------------------------------------------------------------------------

# This may run in a job of another Slurm, whose variables are not meant for this one.
unset "${!SLURM_@}" "${!SBATCH_@}" "${!SQUEUE_@}" "${!SINFO_@}" "${!SCANCEL_@}" LENET
export SLURM_CONF=$work/slurm.conf

daemons=()
# start NAME COMMAND...: a daemon in the foreground, which ends with this process even if that is killed.
start() {
    local name=$1
    shift
    setpriv --pdeathsig TERM "$@" >"$work/$name.log" 2>&1 </dev/null &
    daemons+=($!)
}
# within SECONDS COMMAND...: until the command holds, and while the daemons live.
within() {
    local deadline=$((SECONDS + $1)) pid
    shift
    until "$@"; do
        for pid in "${daemons[@]}"; do kill -0 "$pid" 2>/dev/null || return; done
        [ "$SECONDS" -lt "$deadline" ] || return
        sleep 0.1
    done
}
is_idle() { [ -z "$(timeout 5 squeue --noheader --format=%i 2>/dev/null)" ]; }
# Jobs first, for they outlive slurmd; then what was started last.
stop_all() {
    local i
    trap '' INT TERM
    if ! is_idle; then timeout 5 scancel --user=root && within 20 is_idle; fi
    for ((i = ${#daemons[@]} - 1; i >= 0; i--)); do
        kill "${daemons[i]}" && { timeout 5 tail --pid="${daemons[i]}" -f /dev/null || kill -KILL "${daemons[i]}"; }
        wait "${daemons[i]}"
    done
    cd / && rm -rf "$work"
} 2>/dev/null
trap stop_all EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

free_ports='
import socket
sockets = [socket.socket() for _ in range(2)]
for s in sockets:
    s.bind(("127.0.0.1", 0))
print(*(s.getsockname()[1] for s in sockets))'
read -r controller_port node_port <<<"$(python3 -c "$free_ports")"

# Munge wants its socket where everybody can get at it, and its key where nobody else can.
chmod 755 "$work"
mkdir state spool
(umask 077 && head -c 128 /dev/urandom >munge.key)
# Tasks are counted against 8 processors, however many there are: all of an array run at the same time.
cat >slurm.conf <<CONF
ClusterName=lenet
SlurmctldHost=${HOSTNAME%%.*}(127.0.0.1)
SlurmctldPort=$controller_port
SlurmdPort=$node_port
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$work/munge.socket
CredType=cred/munge
StateSaveLocation=$work/state
SlurmdSpoolDir=$work/spool
SlurmctldPidFile=$work/slurmctld.pid
SlurmdPidFile=$work/slurmd.pid
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=batch_sched_delay=0,sched_interval=1
ReturnToService=2
NodeName=${HOSTNAME%%.*} NodeAddr=127.0.0.1 CPUs=8 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF

munge_answers() { munge --socket="$work/munge.socket" --no-input >/dev/null 2>&1; }
node_is_idle() { [ "$(timeout 5 sinfo --noheader --format=%T 2>/dev/null)" = idle ]; }
start munged munged --foreground --force --key-file="$work/munge.key" --socket="$work/munge.socket" \
    --pid-file="$work/munged.pid" --seed-file="$work/munged.seed" --log-file="$work/munged.log"
within 20 munge_answers || skip_all "munged does not start here (its log is above)"
start slurmctld slurmctld -D -f "$SLURM_CONF"
start slurmd slurmd -D -f "$SLURM_CONF"
within 40 node_is_idle || skip_all "Slurm does not start here (its logs are above)"

# ---- array jobs -----------------------------------------------------------------------------------------

# submit OPTION... SCRIPT ARGUMENT...: sets job; out is for what the tasks print.
submit() {
    job=$(sbatch --parsable "$@" 2>"$work/err")
    code=$?
    claim "sbatch $1: exit 0" code_is 0
    if [ $code -ne 0 ]; then finish || exit; fi # nothing to wait for
}
printed() { cat lenet-sweep-"$job"_*.out >out 2>/dev/null; }
end() {
    within 90 is_idle
    printed
}
# tasks N STATE: the job has so many tasks, all of which ended so.
tasks() {
    local states
    states=$(scontrol --oneliner show job "$job" | grep -oE 'JobState=[A-Z_]+|ExitCode=[0-9:]+' | paste -s -d ' \n')
    [ "$(sort <<<"$states" | uniq -c | tr -s ' ')" = " $1 $2" ]
}
done_by() { tasks "$1" "JobState=COMPLETED ExitCode=0:0"; }
prints() { [ "$(grep -cF -- "$2" out)" -eq "$1" ]; }
same_runs() { cmp <(untimed_runs "$1") <(untimed_runs "$2"); }

# Ten runs, which four do not divide.
sweep=(--data "$sample" --device cpu --lr "0.01,0.05" --seed 0..4 --epochs 1)
lenet sweep "${sweep[@]}" --out whole
claim "the sweep without Slurm: exit 0" code_is 0

mkdir -p build/release
ln -s "$program" build/release/lenet
submit --array=1-4 "$script" "${sweep[@]}" --out array
end
claim "  four tasks end well" done_by 4
claim "  with two threads each, for two processors" prints 4 "on cpu, 2 at a time"
claim "  and one file each" test "$(echo array/runs*)" = "$(echo array/runs.{1,2,3,4}-of-4.jsonl)"
claim "  ten runs are there" test "$(cat array/runs*.jsonl | wc -l)" -eq 10
claim "  all once, and as in the sweep without Slurm" same_runs whole array

before=$(cat array/runs*.jsonl | sha256sum)
submit --array=1-4 "$script" "${sweep[@]}" --out array
end
claim "  the same again: four tasks end well" done_by 4
claim "  do nothing" prints 4 "done: 0 runs"
claim "  and change nothing" test "$(cat array/runs*.jsonl | sha256sum)" = "$before"

mv build elsewhere
export LENET=$work/elsewhere/release/lenet
submit --array=0-3%2 "$script" "${sweep[@]}" --out from-0 --threads=1
end
claim "  indices from 0, two at a time, and another place for the program: four tasks end well" done_by 4
claim "  with as many threads as were asked for" prints 0 "at a time"
claim "  all runs are there once, as in the sweep without Slurm" same_runs whole from-0
submit --array=17-18 "$script" "${sweep[@]}" --out from-17
end
claim "  indices from 17: two tasks end well" done_by 2
claim "  all runs are there once, as in the sweep without Slurm" same_runs whole from-17

# ---- the time limit ---------------------------------------------------------------------------------------

# Long, but not without end, should nobody be left to stop it.
long=(--data "$sample" --device cpu --seed 0..1 --threads 1 --steps 1000000)
both_are_at_work() { printed; prints 2 "sweep: "; }
submit --array=1-2 --time=10 "$script" "${long[@]}" --out long
within 30 both_are_at_work
for task in 1 2; do scontrol update "JobId=${job}_$task" TimeLimit=1; done
end # Slurm looks every half a minute
claim "  a minute before the time limit: SIGTERM ends two tasks, which are not done" tasks 2 "JobState=FAILED ExitCode=0:15"
claim "  with what they have done kept" prints 2 "interrupted, and kept"
claim "  in a checkpoint each" test "$(find long/progress -name '*.safetensors' | wc -l)" -eq 2
submit --array=1-2 "$script" "${long[@]}" --out long
within 30 both_are_at_work
claim "  from which the same again goes on" prints 2 "1 population, 1 of them from checkpoints"
scancel "$job"
end
claim "  scancel: what they have done is kept, too" prints 2 "interrupted, and kept"

# ---- what cannot be done ------------------------------------------------------------------------------------

submit --array=1,3 "$script" "${sweep[@]}" --out refused
end
claim "  indices with a gap: exit 2" tasks 2 "JobState=FAILED ExitCode=2:0"
claim "  with what is wanted" prints 2 "wanted is --array=1-2"
submit --job-name=no-array "$script" "${sweep[@]}" --out refused
end
claim "  no array: exit 2" tasks 1 "JobState=FAILED ExitCode=2:0"
claim "  with what is wanted" prints 1 "sbatch --array=1-N"
LENET=$work/nowhere
submit --array=1-2 "$script" "${sweep[@]}" --out refused
end
claim "  no program: exit 3" tasks 2 "JobState=FAILED ExitCode=3:0"
claim "  with where it was looked for" prints 2 "no program at $LENET"
claim "  and nothing is left of any of them" test ! -e refused

finish
