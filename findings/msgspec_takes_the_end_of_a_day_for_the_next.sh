#!/bin/bash
# msgspec 0.23.0 and msgpack 1.2.4: the same bytes, the last nanosecond of a day, are today for one and tomorrow for the other.
#
# A MessagePack timestamp has nanoseconds, a Python datetime microseconds. msgpack cuts the rest off, as the standard library's
# `datetime.fromisoformat` does; msgspec rounds to the nearest microsecond, in MessagePack and in JSON, and carries. The end of a
# day or of a bar is often written as 23:59:59.999999999 (`Period.end_time` of pandas 2 is that; .NET writes seven digits): with
# msgspec it becomes midnight of the next day, or of the next year, so that `value.date()`, a partition or a bar is the wrong one,
# and two processes that read one message with the two libraries sort it into different days. A rounded time can also be later
# than the moment when it was received.
#
# Source of the rule: src/msgspec/_core.c ("Round nanos to nearest microsecond"), and msgpack/ext.py, `Timestamp.to_datetime`;
# msgspec's manual does not mention it.
#
# What to do: send whole numbers of nanoseconds, or cut to microseconds before packing.
#
# Seen: "MessagePack: msgpack 2025-12-31 23:59:59.999999, msgspec 2026-01-01 00:00:00; JSON with 7 digits: fromisoformat
# 2025-12-31 23:59:59.999999, msgspec 2026-01-01 00:00:00". Fails if that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" -q --disable-pip-version-check install msgspec==0.23.0 msgpack==1.2.4 2>/dev/null
"$folder/venv/bin/python" - <<'P'
from datetime import datetime

import msgpack
import msgspec

packed = msgpack.packb(msgpack.Timestamp(1_767_225_599, 999_999_999))
text = "2025-12-31T23:59:59.9999999Z"
values = [
    msgpack.unpackb(packed, timestamp=3),  # 3: as a datetime
    msgspec.msgpack.decode(packed, type=datetime),
    datetime.fromisoformat(text),
    msgspec.json.decode(msgspec.json.encode(text), type=datetime),
]
one, two, three, four = (f"{value:%Y-%m-%d %H:%M:%S}" + f".{value.microsecond}" * bool(value.microsecond) for value in values)
print(f"MessagePack: msgpack {one}, msgspec {two}; JSON with 7 digits: fromisoformat {three}, msgspec {four}")
assert one == three == "2025-12-31 23:59:59.999999" and two == four == "2026-01-01 00:00:00", "they agree now"
P
