#!/bin/bash
# A study on several machines of a SLURM cluster: sbatch slurm.sh studies/moons.toml
# Not run on a real cluster by us; docs/cluster.md says what was checked, and what to adapt.
#SBATCH --job-name=agsam-tune
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=16
#SBATCH --time=04:00:00
#SBATCH --signal=B:TERM@300
#SBATCH --requeue
##SBATCH --gpus-per-node=4

set -euo pipefail

study=${1:?usage: sbatch slurm.sh STUDY [options of agsam-tune run]}
shift
out=${AGSAM_TUNE_OUT:-$PWD/runs/$(basename "$study" .toml)}
# Ports and folders of this job alone, since jobs of others may share its machines.
port=${RAY_PORT:-$((20000 + SLURM_JOB_ID % 10000))}
export temp="${AGSAM_TUNE_TMP:-/tmp}/agsam-$SLURM_JOB_ID-${SLURM_RESTART_COUNT:-0}"

# The environment that has agsam-tune, at the same path on every machine.
source "${AGSAM_TUNE_VENV:-$HOME/agsam-tune/.venv}/bin/activate"

# Only who can read this file may use the cluster's Ray.
export RAY_AUTH_MODE=token
export RAY_AUTH_TOKEN_PATH="$HOME/.agsam-tune-$SLURM_JOB_ID.token"
(umask 077 && python -c "import secrets; print(secrets.token_hex(32), end='')" > "$RAY_AUTH_TOKEN_PATH")
unset RAY_AUTH_TOKEN RAY_ADDRESS # they would come before the file, and the address
export RAY_USAGE_STATS_ENABLED=0

mapfile -t machines < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
head=${machines[0]}
address=$(srun --nodes=1 --ntasks=1 --nodelist="$head" hostname --ip-address | awk '{print $1}')

started=()
trap 'kill -TERM "${driver:-}" 2>/dev/null || true' TERM
trap 'kill "${started[@]}" 2>/dev/null || true; wait || true; rm -f "$RAY_AUTH_TOKEN_PATH"' EXIT

# On each machine: Ray with a folder that only this user can enter, which is removed after it. Its
# path is short, since those of Ray's sockets in it may have 107 characters.
ray_here() {
    mkdir -m 700 "$temp" || exit
    trap 'rm -rf "$temp"' EXIT
    trap 'kill "$ray" 2>/dev/null || true' TERM INT
    ray start "$@" --temp-dir="$temp/ray" --block &
    ray=$!
    while kill -0 "$ray" 2>/dev/null; do # a signal ends `wait`, not Ray
        wait "$ray" || true
    done
}

# srun does not take over --cpus-per-task from sbatch since Slurm 22.05: Ray would have one core.
step=(--ntasks-per-node=1 --cpus-per-task="$SLURM_CPUS_PER_TASK" --overlap)
ray=(bash -c "$(declare -f ray_here); ray_here \"\$@\"" ray)
resources=(--num-cpus "$SLURM_CPUS_PER_TASK" --num-gpus "${SLURM_GPUS_ON_NODE:-0}")
srun --nodes=1 --nodelist="$head" "${step[@]}" "${ray[@]}" \
    --head --node-ip-address="$address" --port="$port" --include-dashboard=false "${resources[@]}" &
started+=($!)
for _ in {1..120}; do
    (: < "/dev/tcp/$address/$port") 2>/dev/null && break
    kill -0 "${started[0]}" # it ended, and said why
    sleep 1
done

if ((${#machines[@]} > 1)); then
    others=$(IFS=,; echo "${machines[*]:1}")
    srun --nodes=$((${#machines[@]} - 1)) --nodelist="$others" "${step[@]}" "${ray[@]}" \
        --address="$address:$port" "${resources[@]}" &
    started+=($!)
fi

# SLURM's TERM, five minutes before the end, reaches the driver, which stores what is done and
# exits with 3; the requeued job carries on.
agsam-tune run "$study" --address "$address:$port" --out "$out" "$@" &
driver=$!
code=0
wait "$driver" || code=$?
while kill -0 "$driver" 2>/dev/null; do # a signal ends `wait`, not the driver
    code=0
    wait "$driver" || code=$?
done
if ((code == 3)); then
    scontrol requeue "$SLURM_JOB_ID" || true
fi
exit "$code"
