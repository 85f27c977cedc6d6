#!/bin/bash
# duka 0.2.0: after an hour without ticks, each later tick of the day is an hour early.
#
# Dukascopy has a file of .bi5 for each hour, and each tick in it has the milliseconds since that hour's beginning. duka downloads
# the 24 files of a day, joins their bytes, and has lost the hours then. It counts them again: the next one has begun when the
# minute of a tick is smaller than that of the tick before. An hour without ticks has an empty file, and is not counted. Gold and
# silver pause for an hour each day; a quiet pair or a holiday has such hours too. Times stay in order and the number of ticks is
# right, so no check of the data's form finds it: the last tick of the day, of 23:59, is one of 22:59.
# The prices of gold are 100 times too small at the same time, as those of each instrument with three digits (all pairs with JPY):
# duka divides by 100,000 whatever the symbol is.
#
# What to do: decode file by file, with the hour of its name. Source of the rule: duka/core/processor.py, `add_hour` and
# `normalize`; reported as giuse88/duka #28 and #23 (closed), without a release since 2016.
#
# Seen: "46 of 46 ticks; 21:59 and 23:00 became 2024-01-10 21:59:59 20.63455, 2024-01-10 22:00:00 20.63455". Fails if that
# changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" -q --disable-pip-version-check install duka==0.2.0 2>/dev/null
"$folder/venv/bin/python" -W ignore - <<'P'
import lzma
import struct
from datetime import date

from duka.core.processor import decompress

GOLD = 2_063_455  # 2063.455 dollars, in thousandths


def file_of(hour):
    """One hour of gold: a tick in its first and in its last second; none between 22:00 and 23:00, when trading pauses."""
    if hour == 22:
        return b""
    ticks = [struct.pack(">IIIff", ms, GOLD, GOLD - 1, 0.001, 0.001) for ms in (0, 3_599_000)]
    return lzma.compress(b"".join(ticks), lzma.FORMAT_ALONE)


day = b"".join(file_of(hour) for hour in range(24))  # as duka/core/fetch.py joins them
ticks = decompress(date(2024, 1, 10), memoryview(day))
before, after = [f"{time} {ask}" for time, ask, *_ in ticks[-3:-1]]
print(f"{len(ticks)} of 46 ticks; 21:59 and 23:00 became {before}, {after}")
assert len(ticks) == 46 and before == "2024-01-10 21:59:59 20.63455", "the first ticks have changed"
assert after == "2024-01-10 22:00:00 20.63455", "the hour of the later ticks has changed"
P
