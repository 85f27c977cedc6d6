#!/bin/bash
# Python 3.11: an empty file is no error for gzip, an error for lzma, and for bz2 it depends on the function.
#
# An archive of Dukascopy has a file of 0 bytes for each hour without ticks, beside the LZMA streams of the others.
# `gzip.decompress` and `gzip.open` take 0 bytes for nothing that was compressed, and so does `bz2.decompress`.
# `lzma.decompress` raises LZMAError, `lzma.open` and `bz2.open` raise EOFError, as for a file that was cut: a program that
# reads a week of hours ends at the weekend, or reports every hour of it as damaged. The documentation of the three modules
# does not mention the empty file.
#
# What to do: check the size first.
#
# Seen: "gzip.decompress b'', gzip.open b'', bz2.decompress b'', bz2.open EOFError, lzma.decompress LZMAError, lzma.open
# EOFError". Fails if that changes.
set -euo pipefail
python3 - <<'P'
import bz2
import gzip
import io
import lzma


def outcome(read):
    try:
        return repr(read())
    except (EOFError, lzma.LZMAError) as error:
        return type(error).__name__


seen = []
for module in (gzip, bz2, lzma):
    seen.append(f"{module.__name__}.decompress {outcome(lambda: module.decompress(b''))}")
    seen.append(f"{module.__name__}.open {outcome(lambda: module.open(io.BytesIO()).read())}")
print(", ".join(seen))
assert seen == [
    "gzip.decompress b''", "gzip.open b''", "bz2.decompress b''", "bz2.open EOFError",
    "lzma.decompress LZMAError", "lzma.open EOFError",
], "it has changed"
P
