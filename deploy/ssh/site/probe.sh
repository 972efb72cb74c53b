# Looks at a site and prints `key=value` lines. POSIX sh; whatever is missing is left out. $1: the directory of agents.
say() { printf '%s=%s\n' "$1" "$(printf '%s' "$2" | head -n 1)"; }
has() { command -v "$1" 2>/dev/null; }

say os "$(uname -s)"
say arch "$(uname -m)"
say kernel "$(uname -r)"
say host "$(uname -n)"
say user "$(id -un)"
say home "$HOME"
say clock "$(date +%s)"
say libc "$(getconf GNU_LIBC_VERSION 2>/dev/null || ldd --version 2>&1)"

# The rest as the agent will see it.
farcall_path=$PATH
if (. /etc/profile) >/dev/null 2>&1 </dev/null; then . /etc/profile >/dev/null 2>&1; fi
PATH=$PATH:$farcall_path

for tool in node python3 tmux systemctl loginctl setsid nohup gzip tar sha256sum shasum openssl curl crontab; do
  found=$(has "$tool") && say "path.$tool" "$found"
done
say node "$(node --version 2>/dev/null)"
say python "$(python3 --version 2>&1)"
for tool in sbatch squeue sacct scontrol qsub qstat pbsnodes msub showq qconf bsub bjobs condor_submit condor_q flux \
  srun mpiexec aprun jsrun ibrun pbsdsh; do
  found=$(has "$tool") && say "scheduler.$tool" "$found"
done
# qsub is the command of three schedulers.
if has qstat >/dev/null; then say qstat "$(qstat --version 2>&1)"; fi

XDG_RUNTIME_DIR=${XDG_RUNTIME_DIR:-/run/user/$(id -u)}
export XDG_RUNTIME_DIR
if has systemctl >/dev/null && systemctl --user show-environment >/dev/null 2>&1; then say systemd user; fi
if has loginctl >/dev/null; then say linger "$(loginctl show-user "$(id -un)" -p Linger 2>/dev/null)"; fi

directory=$1
[ -n "$directory" ] || directory=$HOME
while [ ! -d "$directory" ]; do directory=$(dirname "$directory"); done
say directory "$directory"
say disk.kb "$(df -Pk "$directory" 2>/dev/null | awk 'NR == 2 { print $4 }')"
say disk.type "$(stat -f -c %T "$directory" 2>/dev/null)"
if [ -w "$directory" ]; then say writable yes; fi
for name in HTTPS_PROXY https_proxy HTTP_PROXY http_proxy NO_PROXY no_proxy; do
  eval "value=\${$name-}"
  if [ -n "$value" ]; then say "env.$name" "$value"; fi
done
# What ends or stops an agent: limits of processes and files, logind, the quota of the home directory.
say limit.processes "$(awk '/^Max processes/ { print $3 }' /proc/self/limits 2>/dev/null)"
say limit.files "$(awk '/^Max open files/ { print $4 }' /proc/self/limits 2>/dev/null)"
say logind.kills "$(busctl get-property org.freedesktop.login1 /org/freedesktop/login1 org.freedesktop.login1.Manager \
  KillUserProcesses 2>/dev/null)"
if [ "$(stat -f -c %T "$directory" 2>/dev/null)" = lustre ] && has lfs >/dev/null; then
  say quota "$(lfs quota -q -u "$(id -un)" "$directory" 2>/dev/null | tr '\n' ' ')"
elif has quota >/dev/null; then
  say quota "$(quota -w 2>/dev/null | awk 'NR > 2 { print; exit }')"
fi
# Compute nodes dial this machine.
say address "$(getent hosts "$(uname -n)" 2>/dev/null | awk '{ print $1; exit }')"
say addresses "$(ip -o -4 addr show scope global 2>/dev/null | awk '{ sub("/.*", "", $4); printf "%s=%s ", $2, $4 }')"
say end yes
