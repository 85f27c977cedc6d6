#!/bin/bash
# exchange_calendars 4.13.2 with pandas 3.1.1: the sessions on Saturdays of Bombay and Moscow are missing from their calendars.
#
# Some exchanges trade on a few Saturdays: Bombay on the day of the budget (2025-02-01), Moscow before long holidays. The
# calendars XBOM and XMOS know such weeks (`special_weekmasks`), and make their sessions by `pandas.date_range` with an offset of
# their own, derived from CustomBusinessDay, whose `is_on_offset` heeds them. pandas 3.1 computes such ranges by a mask over all
# days (pandas #64648), and no longer asks the offset. The offset still says that the day is one; the calendar has no session on
# it, so `is_session`, `next_session` and `schedule` skip a day of trading without an error. (XTAE, whose weeks were other
# ones until 2026, cannot be made at all.) exchange_calendars allows each pandas from 1.5 on, and pip installs the newest of both.
# With pandas 2.3.3 the days are there; those of Bombay with 3.0.6 too.
#
# What to do: require pandas < 3.1, or ask `calendar.day.is_on_offset` for the weekends.
#
# Seen: "XBOM 2024-01-20: offset True, session False; XBOM 2025-02-01: offset True, session False; XMOS 2024-12-28: offset True,
# session False; after Friday 2025-01-31 comes 2025-02-03". Fails if that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" -q --disable-pip-version-check install exchange_calendars==4.13.2 pandas==3.1.1 2>/dev/null
"$folder/venv/bin/python" - <<'P'
import exchange_calendars
import pandas

calendars = {name: exchange_calendars.get_calendar(name, start="2023-12-01", end="2025-12-31") for name in ("XBOM", "XMOS")}
seen, right = [], []
for name, day in (("XBOM", "2024-01-20"), ("XBOM", "2025-02-01"), ("XMOS", "2024-12-28")):
    calendar = calendars[name]
    offset, session = calendar.day.is_on_offset(pandas.Timestamp(day)), calendar.is_session(day)
    right.append(offset and not session)
    seen.append(f"{name} {day}: offset {offset}, session {session}")
after = calendars["XBOM"].next_session("2025-01-31").date()
print("; ".join(seen) + f"; after Friday 2025-01-31 comes {after}")
assert all(right) and str(after) == "2025-02-03", "the Saturdays are sessions now"
P
