"""The judgement of a public client's calls. It runs in the client's virtual environment, without the package hulak.

Each judge is run as `python JUDGE.py URL FILE`. It writes `{call: text}` to the file: "" or what was wrong with the call.
"""

import contextlib
import io
import json
import sys
from pathlib import Path


def judge(calls, printed_faults=()):
    """Make every call and write what was wrong with each.

    Args:
        calls: name -> function without arguments.
        printed_faults: a call that prints one of these texts has failed, whatever it returned.
    """
    results = {}
    for name, call in calls.items():
        printed = io.StringIO()
        try:
            with contextlib.redirect_stdout(printed):
                value = call()
        except Exception as error:  # noqa: BLE001 - of any client
            results[name] = f"{type(error).__name__}: {error}"[:200]
            continue
        faults = [line for line in printed.getvalue().splitlines() if line.startswith(tuple(printed_faults))]
        results[name] = faults[0] if faults else wrong(value)
    Path(sys.argv[2]).write_text(json.dumps(results), encoding="utf-8")


def wrong(value):
    """Return what is wrong with an answer: "" if it has content."""
    if isinstance(value, dict) and type(value.get("status")) is int:
        return f"an error's body: {value['status']}"
    return "" if value or value is False else f"empty: {value!r}"
