#!/usr/bin/env bash
# A real SLURM on this one machine, for tests: munge, slurmctld and a slurmd per pretended node, on loopback, as root.
#
#   tests/slurm/cluster.sh install       the packages slurm-wlm and munge, with their daemons left off
#   tests/slurm/cluster.sh start FOLDER  then: . FOLDER/env.sh
#   tests/slurm/cluster.sh stop FOLDER   ends all jobs and daemons; a second start in the same folder goes on from its state
#   tests/slurm/cluster.sh down|up FOLDER slurmctld|slurmd-n1
#
# NODES (2), CPUS (4 that each node claims), MEMORY (8000 MB), ARRAY (MaxArraySize, 1001) and PORT (26900) shape it.
# There is no slurmdbd; a few lines of shell stand in for sacct, from what slurmctld remembers of ended jobs.
set -euo pipefail
export LC_ALL=C.UTF-8
VERB=${1:-} F=${2:-} NAME=${3:-}
NODES=${NODES:-2} CPUS=${CPUS:-4} MEMORY=${MEMORY:-8000} ARRAY=${ARRAY:-1001} PORT=${PORT:-26900}

until_true() { # SECONDS COMMAND...
  local tries=$(($1 * 10)); shift
  while ((tries-- > 0)); do timeout 5 "$@" &>/dev/null && return; sleep 0.1; done
  echo "waited in vain for: $*" >&2; return 1
}
running() { # NAME: its process lives and is what its pid file says
  local pid; pid=$(cat "$F/run/$1.pid" 2>/dev/null) && [[ -n $pid ]] && grep -qsa "${1%%-*}" "/proc/$pid/cmdline"
}
end() { # NAME
  running "$1" || return 0
  local pid; pid=$(cat "$F/run/$1.pid")
  kill "$pid"
  for _ in {1..100}; do [[ -e /proc/$pid ]] || break; sleep 0.1; done
  if [[ -e /proc/$pid ]]; then kill -9 "$pid"; fi
  rm -f "$F/run/$1.pid"
}
launch() { # NAME
  running "$1" && return
  case $1 in
    # --force: a folder that others may not enter is no reason to stop, we are its only user
    munged) munged --force --key-file="$F/munge/key" --socket="$F/run/munge.sock" --pid-file="$F/run/munged.pid" \
      --log-file="$F/munge/log" --seed-file="$F/munge/seed" --num-threads=2 ;;
    slurmctld) slurmctld ;;
    slurmd-*) slurmd -N "${1#slurmd-}" ;;
  esac
}
nodes() { for ((i = 1; i <= NODES; i++)); do echo "n$i"; done; }

install() {
  { command -v slurmctld && command -v munged; } >/dev/null && return
  local guard=/usr/sbin/policy-rc.d made=  # tells the packages' scripts to start nothing
  [[ -e $guard ]] || { printf '#!/bin/sh\nexit 101\n' >$guard; chmod +x $guard; made=1; }
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends slurm-wlm munge >/dev/null
  [[ -z $made ]] || rm -f $guard
}

configure() {
  mkdir -p "$F"/{run,log,state,munge,bin}; chmod 755 "$F" "$F"/{run,log,state}; chmod 700 "$F/munge"
  [[ -s $F/munge/key ]] || { head -c 128 /dev/urandom >"$F/munge/key"; chmod 400 "$F/munge/key"; }
  local host; host=$(hostname -s)
  for name in "$host" $(nodes); do getent hosts "$name" >/dev/null || echo "127.0.0.1 $name" >>/etc/hosts; done
  cat >"$F/slurm.conf" <<EOF
ClusterName=test
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$PORT
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
# cred_expire: a requeued job waits so long before it starts again; 5 is the least that is accepted
AuthInfo=socket=$F/run/munge.sock,cred_expire=5
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
StateSaveLocation=$F/state
SlurmdSpoolDir=$F/spool-%n
SlurmctldPidFile=$F/run/slurmctld.pid
SlurmdPidFile=$F/run/slurmd-%n.pid
SlurmctldLogFile=$F/log/slurmctld.log
SlurmdLogFile=$F/log/slurmd-%n.log
# no control groups: they would need rights that a container does not have
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=1,sched_interval=2,sched_min_interval=0,batch_sched_delay=0
ReturnToService=2
SlurmdParameters=config_overrides
MaxArraySize=$ARRAY
MinJobAge=300
KillWait=5
JobRequeue=1
SlurmdTimeout=30
MessageTimeout=5
AccountingStorageType=accounting_storage/none
PartitionName=main Nodes=ALL Default=YES MaxTime=1-00:00:00 DefaultTime=00:10:00 DefMemPerCPU=500 State=UP
EOF
  local i=0
  for node in $(nodes); do
    i=$((i + 1))
    echo "NodeName=$node NodeHostname=$host NodeAddr=127.0.0.1 Port=$((PORT + 10 + i)) CPUs=$CPUS Boards=1" \
      "SocketsPerBoard=1 CoresPerSocket=$CPUS ThreadsPerCore=1 RealMemory=$MEMORY State=UNKNOWN"
  done >>"$F/slurm.conf"
  echo "CgroupPlugin=cgroup/v1" >"$F/cgroup.conf"  # 22.05 loads one in any case; this one stays idle
  printf 'export SLURM_CONF=%q\nexport PATH=%q:$PATH\n' "$F/slurm.conf" "$F/bin" >"$F/env.sh"
  cat >"$F/bin/sacct" <<'EOF'
#!/usr/bin/env bash
# JobID|State of `-j ID,ID`, of jobs that slurmctld still remembers.
while (($#)); do [[ $1 == -j ]] && ids=$2; shift; done
for id in ${ids//,/ }; do
  scontrol -o show job "$id" 2>/dev/null | awk '{
    delete f; for (i = 1; i <= NF; i++) { p = index($i, "="); f[substr($i, 1, p - 1)] = substr($i, p + 1) }
    id = f["JobId"]
    if (f["ArrayTaskId"] != "") { t = f["ArrayTaskId"]; id = f["ArrayJobId"] "_" (t ~ /[-,]/ ? "[" t "]" : t) }
    print id "|" f["JobState"] }'
done
EOF
  chmod +x "$F/bin/sacct"
}

start() {
  configure
  export SLURM_CONF=$F/slurm.conf
  launch munged
  until_true 10 test -S "$F/run/munge.sock"
  launch slurmctld
  for node in $(nodes); do mkdir -p "$F/spool-$node"; launch "slurmd-$node"; done
  for node in $(sinfo -h -N -t drain,down -o %N | sort -u); do scontrol update nodename="$node" state=resume || true; done
  until_true 30 bash -c "[[ \$(sinfo -h -N -o %t | grep -cxE 'idle|mix|alloc') == $NODES ]]"
}

stop() {
  [[ -d $F/run ]] || return 0
  export SLURM_CONF=$F/slurm.conf
  if running slurmctld; then  # jobs first: a slurmd waits for its steps, and these for the controller
    squeue -h -o %A | sort -u | timeout 10 xargs -r scancel 2>/dev/null || true
    until_true 20 bash -c '[[ -z $(squeue -h -t R,CG,S) ]]' || true
  fi
  for file in "$F"/run/slurmd-*.pid; do [[ -e $file ]] && end "$(basename "$file" .pid)"; done
  end slurmctld
  end munged
  for pid in $(pgrep -x slurmstepd || true); do  # of this cluster only
    if tr '\0' '\n' <"/proc/$pid/environ" 2>/dev/null | grep -qx "SLURM_CONF=$F/slurm.conf"; then kill -9 "$pid" || true; fi
  done
}

[[ $VERB == install || -n $F ]] || { sed -n '2,9p' "$0" >&2; exit 2; }
[[ $(id -u) == 0 ]] || { echo "needs root" >&2; exit 1; }
export SLURM_CONF=$F/slurm.conf
case $VERB in
  install) install ;;
  start) start ;;
  stop) stop ;;
  down) end "$NAME" ;;
  up) launch "$NAME" ;;
  *) echo "install, start, stop, down or up" >&2; exit 2 ;;
esac
