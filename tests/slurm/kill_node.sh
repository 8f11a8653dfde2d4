#!/usr/bin/env bash
# kill_node.sh NODE: lose a node of the test cluster at once, its daemon and all that ran on it. up.sh brings it back.
set -uo pipefail
LAB=${SLURM_LAB:-/tmp/clipmill-slurm}
NODE=$1
export SLURM_CONF=$LAB/etc/slurm.conf

family() { # family PID: the process and all below it
  local child
  echo "$1"
  for child in $(pgrep -P "$1"); do family "$child"; done
}

jobs=$(squeue -h -w "$NODE" -t R -o %A)
kill -9 "$(cat "$LAB/run/slurmd.$NODE.pid")" # first, so that nobody reports the deaths
rm -f "$LAB/run/slurmd.$NODE.pid"
for job in $jobs; do
  for step in $(pgrep -f "^slurmstepd: \[$job\."); do # they belong to pid 1 and are known by their titles
    kill -9 $(family "$step") 2>/dev/null
  done
done
exit 0
