#!/bin/bash
# supervisor 4.3.0: stdout_logfile and stderr_logfile are %-expanded twice, every other option once.
#
# %(ENV_NAME)s in an option is replaced by the variable's value. In a log path the result is expanded again, so a value that
# holds a percent sign, such as a folder named "50%off", stops supervisord at its start, though `directory` accepts the same
# value. Written as %%(ENV_NAME)s, which the manual calls an escaped percent sign, a log path works: the first expansion makes it
# %(ENV_NAME)s, the second replaces that.
# Source of the rule: supervisor/options.py expands log files when it reads the section, after they were expanded as options.
#
# Seen: "once escaped: log written; plain: supervisord refuses to start". Fails if that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" -q --disable-pip-version-check install supervisor==4.3.0 'setuptools<81'
export PLACE="$folder/50%off"
mkdir "$PLACE"

try() { # $1: the log's folder as written in the config
    cat >"$folder/try.conf" <<CONF
[supervisord]
logfile=/dev/null
logfile_maxbytes=0
pidfile=$folder/pid

[program:greets]
directory=%(ENV_PLACE)s
command=/bin/sh -c "echo hello from \$(pwd); exec sleep 60"
stdout_logfile=$1/greets.log
CONF
    rm -f "$PLACE/greets.log"
    timeout 4 "$folder/venv/bin/supervisord" -n -c "$folder/try.conf" >"$folder/output" 2>&1 || true
    grep -qs "hello from $PLACE" "$PLACE/greets.log"
}

try '%%(ENV_PLACE)s' || { echo "a log path that is escaped once no longer works"; cat "$folder/output"; exit 1; }
if try '%(ENV_PLACE)s'; then echo "a log path is no longer expanded twice"; exit 1; fi
grep -q "stdout_logfile" "$folder/output" || { echo "refused for another reason:"; cat "$folder/output"; exit 1; }
grep -v "^ *$" "$folder/output" | head -1
echo "once escaped: log written; plain: supervisord refuses to start"
