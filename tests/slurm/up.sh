#!/usr/bin/env bash
# Start a private, real SLURM on this machine: partition cpu (1 node), gpu (2 nodes of 8 mock GPUs) and gpu-low (the
# same nodes at a lower tier, so that jobs in gpu preempt its jobs). For the tests, and to try profiles/slurm.
#
#   tests/slurm/up.sh                start (a healthy cluster is left alone, a dead daemon is started again)
#   . /tmp/clipmill-slurm/env.sh     then sbatch, squeue, snakemake --profile slurm
#   tests/slurm/down.sh [--purge]    stop it by the recorded pids; --purge removes the state too
#
# Runs as root, without systemd, cgroups or accounting. The state lies in $SLURM_LAB (default /tmp/clipmill-slurm) and
# every socket listens on 127.0.0.1 only. SLURM_BASE_PORT (17000) is the first of the 13 ports that may be used.
set -euo pipefail

LAB=${SLURM_LAB:-/tmp/clipmill-slurm}
PORT=${SLURM_BASE_PORT:-17000}
PACKAGES="slurmctld slurmd slurm-client munge"
NODES="cpu1 gpu1 gpu2"

die() {
  echo "slurm: $*" >&2
  exit 1
}

[ "$(id -u)" = 0 ] || die "must run as root"
[ ${#LAB} -le 60 ] || die "SLURM_LAB is too long for a unix socket: $LAB"
if ! command -v munged slurmctld slurmd sbatch >/dev/null; then
  command -v apt-get >/dev/null || die "install SLURM first (Debian: apt-get install $PACKAGES)"
  export DEBIAN_FRONTEND=noninteractive
  install="apt-get install -y -q --no-install-recommends $PACKAGES"
  $install >/dev/null 2>&1 || { apt-get update -q && $install; } >/dev/null || die "'$install' failed"
fi
[ ! -e /etc/slurm/slurm.conf ] || die "/etc/slurm/slurm.conf exists: this machine belongs to a cluster"
# The plugin's job step drops SLURM_CONF from the environment of its inner srun, so the configuration must also lie at
# the second place where SLURM looks.
if [ -e /run/slurm/conf ] && [ "$(readlink -f /run/slurm/conf)" != "$(readlink -m "$LAB/etc")" ]; then
  die "/run/slurm/conf belongs to another cluster: $(readlink -f /run/slurm/conf)"
fi

alive() { # alive NAME: is the recorded pid still that daemon?
  local pid
  pid=$(cat "$LAB/run/$1.pid" 2>/dev/null) || return 1
  [[ $(readlink "/proc/$pid/exe" 2>/dev/null) == */"${1%%.*}"* ]]
}

wait_for() { # wait_for SECONDS WHAT COMMAND...
  local end=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $end ] || { tail -n 20 "$LAB"/log/*.log >&2; die "$what did not come up"; }
    sleep 0.1
  done
}

mkdir -p "$LAB"/{etc,run,log,munge,state,spool,dev} /run/slurm
chmod 755 "$LAB" "$LAB/munge"
ln -sfn "$LAB/etc" /run/slurm/conf
printf 'export SLURM_LAB=%q SLURM_CONF=%q\n' "$LAB" "$LAB/etc/slurm.conf" >"$LAB/env.sh"
. "$LAB/env.sh"

if ! alive slurmctld; then
  # A mock GPU is /dev/null under another name; its number is what SLURM puts into CUDA_VISIBLE_DEVICES.
  for gpu in 0 1 2 3 4 5 6 7; do
    [ -e "$LAB/dev/gpu$gpu" ] || mknod "$LAB/dev/gpu$gpu" c 1 3 2>/dev/null || : >"$LAB/dev/gpu$gpu"
  done
  printf 'NodeName=gpu[1-2] Name=gpu Type=h100 File=%s\n' "$LAB/dev/gpu[0-7]" >"$LAB/etc/gres.conf"
  echo "CgroupPlugin=cgroup/v1" >"$LAB/etc/cgroup.conf"
  # config_overrides: the nodes may claim more CPUs and memory than this machine has, so that the profile fits as it is.
  # OverMemoryKill stands in for cgroups: a step above its memory is killed within two seconds.
  cat >"$LAB/etc/slurm.conf" <<CONF
ClusterName=clipmill
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort=$PORT
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$LAB/munge/munge.sock
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
SlurmctldPidFile=$LAB/run/slurmctld.pid
SlurmctldLogFile=$LAB/log/slurmctld.log
StateSaveLocation=$LAB/state
SlurmdPidFile=$LAB/run/slurmd.%n.pid
SlurmdLogFile=$LAB/log/slurmd.%n.log
SlurmdSpoolDir=$LAB/spool/%n
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=batch_sched_delay=0,bf_interval=3,sched_interval=3,sched_min_interval=100000
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
JobRequeue=1
MinJobAge=3600
ReturnToService=2
SlurmctldTimeout=30
SlurmdTimeout=15
MessageTimeout=20
BatchStartTimeout=20
KillWait=30
CompleteWait=0
MaxJobCount=20000
MaxArraySize=1001
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=2
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
GresTypes=gpu
NodeName=cpu1 NodeHostname=localhost NodeAddr=127.0.0.1 Port=$((PORT + 10)) CPUs=64 RealMemory=256000
NodeName=gpu1 NodeHostname=localhost NodeAddr=127.0.0.1 Port=$((PORT + 11)) CPUs=128 RealMemory=1000000 Gres=gpu:h100:8
NodeName=gpu2 NodeHostname=localhost NodeAddr=127.0.0.1 Port=$((PORT + 12)) CPUs=128 RealMemory=1000000 Gres=gpu:h100:8
PartitionName=cpu Nodes=cpu1 Default=YES DefaultTime=10 MaxTime=INFINITE
PartitionName=gpu Nodes=gpu[1-2] DefaultTime=10 MaxTime=INFINITE PriorityTier=10
PartitionName=gpu-low Nodes=gpu[1-2] DefaultTime=10 MaxTime=INFINITE PriorityTier=1
CONF
fi

if ! alive munged; then
  [ -s "$LAB/munge/key" ] || (umask 077 && head -c 1024 /dev/urandom >"$LAB/munge/key")
  munged --force --socket="$LAB/munge/munge.sock" --key-file="$LAB/munge/key" --log-file="$LAB/log/munged.log" \
    --pid-file="$LAB/run/munged.pid" --seed-file="$LAB/munge/seed" 2>>"$LAB/log/munged.log"
  wait_for 10 munged munge -s "" --socket="$LAB/munge/munge.sock"
fi
if ! alive slurmctld; then
  slurmctld </dev/null >>"$LAB/log/slurmctld.log" 2>&1
  wait_for 20 slurmctld bash -c 'scontrol ping | grep -q UP'
fi
for node in $NODES; do
  alive "slurmd.$node" || slurmd -N "$node" </dev/null >>"$LAB/log/slurmd.$node.log" 2>&1
done
ready() { [ "$(sinfo -h -N -o '%N %T' | sort -u | grep -cE ' (idle|mixed|allocated|completing)$')" = 3 ]; }
wait_for 40 "a node" ready
echo "slurm: up. For its commands: . $LAB/env.sh"
