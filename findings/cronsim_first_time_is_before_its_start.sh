#!/bin/bash
# cronsim 2.8: in the hour that exists twice, the first time after a start is 40 minutes before the start.
#
# `CronSim(expression, dt)` yields the times after `dt`. For an expression with a fixed hour and minute in a zone with summer time
# it computes with local times, to run such a job once on a day on which clocks are set. It drops the zone of `dt` for that, and
# with it the `fold` that says which of the two equal local times is meant; the result always has fold 0. So a program that asks
# for the next time within the second of the two hours gets a time that is over. If it compares that with the clock, it takes the
# job for due at once, and runs it a second time.
#
# What to do: go on until a time is later than the start (`bus/core/schedules/due_times.py`). Described in cronsim.py,
# `CronSim.__init__` (`fixup_tz`) and `__next__` (`fold=0`); the README names neither.
#
# Seen: "after 2026-10-25 02:10:00+01:00 comes 2026-10-25 02:30:00+02:00: -2400 s". Fails if that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" -q --disable-pip-version-check install cronsim==2.8 tzdata==2026.6
"$folder/venv/bin/python" - <<'P'
from datetime import datetime
from zoneinfo import ZoneInfo

from cronsim import CronSim

start = datetime(2026, 10, 25, 2, 10, tzinfo=ZoneInfo("Europe/Berlin"), fold=1)
times = CronSim("30 2 * * *", start)
first, second = next(times), next(times)
seconds = first.timestamp() - start.timestamp()
print(f"cronsim 2.8: after {start} comes {first}: {seconds:.0f} s; then {second}")
assert seconds == -2400, "the first time is not before the start any more"
assert second == datetime(2026, 10, 26, 2, 30, tzinfo=ZoneInfo("Europe/Berlin")), "the second time is another one now"
P
