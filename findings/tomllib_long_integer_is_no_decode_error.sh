#!/bin/bash
# tomli 2.4.0 and tomllib of Python 3.11 and later: an integer of more than 4,300 digits raises ValueError, not TOMLDecodeError.
#
# The documented error of a malformed file is TOMLDecodeError, and so programs catch that (and perhaps UnicodeDecodeError) to
# tell the user which file is wrong. An integer is passed to int() as it is. Since the limit on the digits of int(), a long one
# raises that function's own error, a plain ValueError without line and column. TOML itself allows a parser to refuse integers
# beyond 64 bits; the documentation of both modules names one error.
#
# Seen: "an integer of 4300 digits: int; of 4301 digits: ValueError". Fails if that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" -q --disable-pip-version-check install tomli==2.4.0
"$folder/venv/bin/python" - <<'P'
import sys
import tomllib

import tomli


def outcome(module, digits):
    try:
        return type(module.loads(f"serial = {'7' * digits}")["serial"]).__name__
    except ValueError as error:
        assert not isinstance(error, module.TOMLDecodeError), "it is a decode error now"
        return type(error).__name__


for module in (tomllib, tomli):
    seen = outcome(module, 4300), outcome(module, 4301)
    print(f"{module.__name__} on Python {sys.version.split()[0]}: an integer of 4300 digits: {seen[0]}; of 4301 digits: {seen[1]}")
    assert seen == ("int", "ValueError"), "long integers behave otherwise now"
P
