# shellcheck shell=bash
# Processes that outlive the script that started them, known by files. Read by `deploy/demo`; it does nothing by itself.
#
# A file holds the process id and when that process started, in the kernel's ticks since boot, so that a process which
# later got the same id is never taken for ours, and never ended.

# When a process started; nothing when there is none.
started_at() {
  local line fields
  line=$(cat "/proc/$1/stat" 2>/dev/null) || return 0
  # The name in brackets may hold spaces; the start is the 20th field after it, the state the first.
  read -r -a fields <<<"${line##*) }"
  [ "${fields[0]}" = Z ] || echo "${fields[19]}"
}

# Writes the file for a process.
remember() { echo "$2 $(started_at "$2")" >"$1"; }

# The id of the process in a file, when it is still running.
running() {
  local pid='' start=''
  [ -f "$1" ] || return 1
  read -r pid start <"$1" || return 1
  [ -n "$start" ] && [ "$(started_at "$pid")" = "$start" ] && echo "$pid"
}

# Starts a program in a session of its own, so that Ctrl-C in the terminal reaches the script only.
# start_process PIDFILE LOG PROGRAM ARGUMENT…
start_process() {
  local file=$1 log=$2
  shift 2
  setsid "$@" </dev/null >>"$log" 2>&1 9<&- &
  remember "$file" $!
  # Or the shell would report how it ended.
  disown $!
}

# Waits until the process of a file has ended, for at most so many seconds.
ended_within() {
  local file=$1 seconds=$2 until
  until=$((SECONDS + seconds))
  while running "$file" >/dev/null; do
    [ "$SECONDS" -lt "$until" ] || return 1
    sleep 0.05
  done
}

# Asks the process of a file to end, and does not wait.
ask_to_end() {
  local pid
  if pid=$(running "$1"); then
    kill -TERM "$pid" 2>/dev/null || true
  fi
}

# Ends the process of a file: asks, waits so many seconds, then insists.
end_process() {
  local file=$1 patience=$2 pid
  if pid=$(running "$file"); then
    kill -TERM "$pid" 2>/dev/null || true
    # One that was frozen by hand cannot hear.
    kill -CONT "$pid" 2>/dev/null || true
    ended_within "$file" "$patience" || kill -KILL "$pid" 2>/dev/null || true
    ended_within "$file" 10 || echo "process $pid does not end" >&2
  fi
  rm -f "$file"
}

# Ends the process of a file at once.
kill_process() {
  local pid
  if pid=$(running "$1"); then
    kill -KILL "$pid" 2>/dev/null || true
    ended_within "$1" 10 || echo "process $pid does not end" >&2
  fi
  rm -f "$1"
}

# Whether something listens on host and port.
listens() { (exec 3<>"/dev/tcp/$1/$2") 2>/dev/null; }
