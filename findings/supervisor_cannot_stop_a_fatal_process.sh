#!/bin/bash
# supervisor 4.3.0: a process in the state FATAL cannot be stopped, so an operator cannot tell it to stay down.
#
# A process whose start failed too often is FATAL, and one that an operator stopped is STOPPED; a tool that starts FATAL processes
# again must leave STOPPED ones alone. But `supervisorctl stop NAME` on a FATAL process fails with NOT_RUNNING and leaves it
# FATAL, so the wish cannot be expressed: only `remove` takes it out.
#
# Seen: "bad: ERROR (not running)", and then still FATAL. Fails if that changes.
set -euo pipefail
folder=$(mktemp -d)
trap '[ -s "$folder/pid" ] && kill "$(cat "$folder/pid")" 2>/dev/null; sleep 1; rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" -q --disable-pip-version-check install supervisor==4.3.0
cat > "$folder/conf" <<C
[unix_http_server]
file=$folder/sock
[supervisord]
logfile=$folder/log
pidfile=$folder/pid
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl=unix://$folder/sock
[program:bad]
command=/bin/false
startretries=0
startsecs=1
C
"$folder/venv/bin/supervisord" -c "$folder/conf"
ctl() { "$folder/venv/bin/supervisorctl" -c "$folder/conf" "$@" || true; }
for _ in $(seq 50); do
  ctl status bad | grep -q FATAL && break
  sleep 0.2
done
answer=$(ctl stop bad)
state=$(ctl status bad | awk '{print $2}')
echo "supervisor $("$folder/venv/bin/supervisord" --version): stop of a FATAL process: $answer; then $state"
[ "$answer" = "bad: ERROR (not running)" ] && [ "$state" = FATAL ] || { echo "it behaves otherwise now"; exit 1; }
