#!/usr/bin/env bash
# Stop what up.sh started, by the pids it recorded. --purge removes the state as well.
set -uo pipefail
LAB=${SLURM_LAB:-/tmp/clipmill-slurm}
[ -d "$LAB/run" ] || exit 0
export SLURM_CONF=$LAB/etc/slurm.conf

stop() { # stop NAME PID-FILE
  local pid
  pid=$(cat "$2" 2>/dev/null) || return 0
  if [[ $(readlink "/proc/$pid/exe" 2>/dev/null) == */"$1"* ]]; then # else the number belongs to someone else by now
    kill "$pid"
    for _ in $(seq 100); do
      [ -d "/proc/$pid" ] || break
      sleep 0.1
    done
    kill -9 "$pid" 2>/dev/null
  fi
  rm -f "$2"
}

if [ -s "$LAB/run/slurmctld.pid" ] && timeout 10 scancel --quiet --user=root 2>/dev/null; then
  timeout 5 scancel --quiet --signal=KILL --user=root 2>/dev/null # nothing here is worth the 30 seconds of KillWait
  for _ in $(seq 50); do
    [ -z "$(timeout 5 squeue -h 2>/dev/null)" ] && break
    sleep 0.2
  done
fi
for file in "$LAB"/run/slurmd.*.pid; do stop slurmd "$file"; done
stop slurmctld "$LAB/run/slurmctld.pid"
stop munged "$LAB/run/munged.pid"
[ "$(readlink /run/slurm/conf)" = "$LAB/etc" ] && rm -f /run/slurm/conf
[ "${1:-}" = --purge ] && rm -rf -- "$LAB"
echo "slurm: down"
