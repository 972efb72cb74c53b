#!/bin/sh
# Starts, stops and looks after the agent of one endpoint at a site. POSIX sh, so that it works when nothing else does.
# sh agent.sh status|start|stop|leave|logs [argument]; it lies in the endpoint's directory.
umask 077
cd "$(dirname "$0")" || exit 1
directory=$(pwd)
unit=farcall-$(basename "$directory")
# In full: what follows the last dot of a name may be a kind of unit.
service=$unit.service
XDG_RUNTIME_DIR=${XDG_RUNTIME_DIR:-/run/user/$(id -u)}
export XDG_RUNTIME_DIR

field() { sed -n "s/.*\"$1\":\"\{0,1\}\([^\",}]*\).*/\1/p" agent.pid 2>/dev/null; }
# The process of agent.pid, if it is that process still: a number alone may be another's by now.
running() {
  pid=$(field pid)
  [ -n "$pid" ] && [ "$(field bootId)" = "$(cat /proc/sys/kernel/random/boot_id 2>/dev/null)" ] || return 1
  # shellcheck disable=SC2046
  set -- $(sed 's/.*) //' "/proc/$pid/stat" 2>/dev/null)
  # One that has ended is listed until its parent has waited for it.
  [ "$1" != Z ] && [ "${20}" = "$(field startTime)" ]
}
wait_gone() {
  left=$1
  while running; do
    [ "$left" -gt 0 ] || return 1
    left=$((left - 1))
    sleep 1 2>/dev/null
  done
}
end_with() {
  if ! running; then echo state=not-running; return 0; fi
  pid=$(field pid)
  signal=$1
  kill -"$signal" "$pid"
  # The second signal says: do not wait for running tasks.
  if [ "$2" = now ]; then sleep 1; kill -"$signal" "$pid" 2>/dev/null; fi
  if wait_gone "$3"; then echo state=stopped; else echo state=stopping; return 3; fi
}
# One that is starting again just now holds no agent.pid yet, and would run although it was told to stop.
end_starting() {
  running && return
  pid=$(cat starting 2>/dev/null)
  [ -n "$pid" ] && grep -qF "$directory" "/proc/$pid/cmdline" 2>/dev/null && kill "$pid" 2>/dev/null
}
start_systemd() {
  mkdir -p "$HOME/.config/systemd/user" &&
    cp "$directory/farcall.service" "$HOME/.config/systemd/user/$service" &&
    systemctl --user daemon-reload && systemctl --user enable "$service" >/dev/null 2>&1
  systemctl --user restart "$service"
}
start_tmux() {
  # A server of its own: the session must not take the environment of another's.
  tmux -L "$unit" new-session -d -s farcall "exec /bin/sh '$directory/launch.sh' forever"
}
start_nohup() {
  # A session of its own, so that no hangup of the login reaches it.
  if command -v setsid >/dev/null 2>&1; then
    setsid nohup /bin/sh "$directory/launch.sh" forever </dev/null >/dev/null 2>&1 &
  else
    nohup /bin/sh "$directory/launch.sh" forever </dev/null >/dev/null 2>&1 &
  fi
}

case $1 in
status)
  echo "host=$(cat host 2>/dev/null)" "here=$(uname -n)" "how=$(cat started 2>/dev/null)"
  if running; then echo "state=running pid=$(field pid)"; else echo state=not-running; fi
  ;;
start)
  if running; then echo "state=running pid=$(field pid)"; exit 0; fi
  rm -f stop
  : >>agent.log
  size=$(wc -c <agent.log)
  uname -n >host
  echo "$2" >started
  "start_$2" || exit 1
  left=${3:-60}
  while [ "$left" -gt 0 ]; do
    said=$(tail -c +$((size + 1)) agent.log)
    if running && printf '%s' "$said" | grep -q '"ready":true'; then echo "state=started pid=$(field pid)"; exit 0; fi
    # What it says itself, `CODE: why`, it will say at every start.
    if printf '%s' "$said" | grep -q '^[A-Z_]\{4,\}: '; then break; fi
    left=$((left - 1))
    sleep 1
  done
  echo state=failed
  tail -c +$((size + 1)) agent.log | tail -n 20
  exit 1
  ;;
stop)
  # For the shell that starts a crashed agent again, and may just be waiting to.
  : >stop
  end_starting
  if [ "$2" = now ]; then end_with TERM now 20; else end_with TERM later 600; fi
  ended=$?
  if [ "$(cat started 2>/dev/null)" = systemd ] && [ $ended = 0 ]; then
    systemctl --user disable --now "$service" >/dev/null 2>&1
  fi
  exit $ended
  ;;
leave) end_with USR2 later 30 ;;
logs) tail -n "$2" agent.log ;;
follow) exec tail -n "$2" -f agent.log ;;
remove)
  : >stop
  end_starting
  end_with TERM now 20 || exit 3
  if [ "$(cat started 2>/dev/null)" = systemd ]; then systemctl --user disable --now "$service" >/dev/null 2>&1; fi
  rm -f "$HOME/.config/systemd/user/$service"
  cd / && rm -rf "$directory" && echo state=removed
  ;;
*) echo "status, start, stop, leave, logs, follow or remove" >&2; exit 2 ;;
esac
