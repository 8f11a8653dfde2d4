#!/usr/bin/env bash
# Stop what up.sh started, by the pids it recorded. --purge removes the state as well.
set -uo pipefail
LAB=${SLURM_LAB:-/tmp/clipmill-slurm}
[ -d "$LAB/run" ] || exit 0
export SLURM_CONF=$LAB/etc/slurm.conf

is() { # is FILE: does the recorded pid still belong to that daemon? else the number is someone else's by now
  local name=${1##*/}
  [[ $(readlink "/proc/$(cat "$1" 2>/dev/null)/exe" 2>/dev/null) == */"${name%%.*}"* ]]
}

if [ -s "$LAB/run/slurmctld.pid" ] && timeout 10 scancel --quiet --user=root 2>/dev/null; then
  timeout 5 scancel --quiet --signal=KILL --user=root 2>/dev/null # nothing here is worth the 30 seconds of KillWait
  for _ in $(seq 50); do
    [ -z "$(timeout 5 squeue -h 2>/dev/null)" ] && break
    sleep 0.2
  done
fi
for file in "$LAB"/run/*.pid; do
  is "$file" && kill "$(cat "$file")"
done
for file in "$LAB"/run/*.pid; do
  for _ in $(seq 100); do
    is "$file" || break
    sleep 0.1
  done
  is "$file" && kill -9 "$(cat "$file")"
  rm -f "$file"
done
[ "$(readlink /run/slurm/conf)" = "$LAB/etc" ] && rm -f /run/slurm/conf
[ "${1:-}" = --purge ] && rm -rf -- "$LAB"
echo "slurm: down"
