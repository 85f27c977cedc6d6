#!/bin/bash
# supervisor 4.3.0: the value of [include] files is split at blanks after its variables have been replaced.
#
# files=%(ENV_PLACE)s/*.conf looks like one pattern. If the variable's value contains a blank, such as a home folder named "my
# home", it becomes two patterns: the part before the blank, and the rest, relative to the main file's folder. Neither matches;
# supervisord starts with only a warning, and none of the programs of that folder runs. Quotes around the value do not help: they
# become part of the pattern. A glob's "?" in place of the blank works.
# Source of the rule: supervisor/options.py, read_include_config.
#
# Seen: "plain: 0 of 1 programs; quoted: 0 of 1; with ? for the blank: 1 of 1". Fails if that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" -q --disable-pip-version-check install supervisor==4.3.0 'setuptools<81'
mkdir "$folder/my home"
printf '[program:greets]\ncommand=/bin/cat\n' >"$folder/my home/greets.conf"

programs() { # $1: the pattern; $2: the value of PLACE
    printf '[supervisord]\nlogfile=/dev/null\nlogfile_maxbytes=0\npidfile=%s/pid\n\n[include]\nfiles=%s\n' "$folder" "$1" >"$folder/main.conf"
    PLACE=$2 "$folder/venv/bin/python" -W ignore - "$folder/main.conf" <<'P'
import sys

from supervisor.options import ServerOptions

options = ServerOptions()
options.realize(["-n", "-c", sys.argv[1]])
print(len(options.process_group_configs))
P
}

plain=$(programs '%(ENV_PLACE)s/*.conf' "$folder/my home" | tail -1)
quoted=$(programs '"%(ENV_PLACE)s/*.conf"' "$folder/my home" | tail -1)
joker=$(programs '%(ENV_PLACE)s/*.conf' "$folder/my?home" | tail -1)
echo "plain: $plain of 1 programs; quoted: $quoted of 1; with ? for the blank: $joker of 1"
[ "$plain" = 0 ] && [ "$quoted" = 0 ] && [ "$joker" = 1 ]
