#!/bin/bash
# dukascopy-node 1.46.4: ticks of five instruments are divided by 999999.9999999999, and have prices that were never quoted.
#
# Dukascopy's .bi5 files hold prices as whole numbers; the scale of each instrument is not in them. dukascopy-node has a table
# of scales, `decimalFactor`. For AUDCNH, CZKTHB, CZKTRY, MXNCZK and MXNTHB it was computed in floating point as
# 999999.9999999999 instead of 1000000. A price of 1.5 comes out as 1.5000000000000002; so do four of five prices. A program
# that compares prices, or groups them by price, takes them for different ones. Version 1.50.0 reads another format and has no
# such table.
#
# What to do: round the scale to a whole number, or each price to the instrument's digits.
#
# Seen: "scale 999999.9999999999 of audcnh czkthb czktry mxnczk mxnthb: 1500000 is 1.5000000000000002". Fails if that changes.
# Needs node and npm.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$folder" dukascopy-node@1.46.4 > /dev/null
python3 - "$folder/10h_ticks.bi5" <<'P'
import lzma
import struct
import sys

with open(sys.argv[1], "wb") as file:  # one tick: ms of the hour, ask, bid, volumes
    file.write(lzma.compress(struct.pack(">IIIff", 123, 1_500_001, 1_500_000, 1.5, 0.75), lzma.FORMAT_ALONE))
P
seen=$(FOLDER=$folder node - <<'N'
const folder = process.env.FOLDER;
const { instrumentMetaData, processData } = require(folder + "/node_modules/dukascopy-node");
const buffer = require("fs").readFileSync(folder + "/10h_ticks.bi5");
const url = "https://datafeed.dukascopy.com/datafeed/CZKTHB/2024/00/02/10h_ticks.bi5";
const odd = Object.keys(instrumentMetaData).filter((name) => !Number.isInteger(instrumentMetaData[name].decimalFactor));
const scales = new Set(odd.map((name) => instrumentMetaData[name].decimalFactor));
const [[, , bid]] = processData({
  instrument: "czkthb", requestedTimeframe: "tick", bufferObjects: [{ url, buffer, isCacheHit: false }],
  priceType: "bid", volumes: false, volumeUnits: "millions", ignoreFlats: true,
});
console.log(`scale ${[...scales]} of ${odd.join(" ")}: 1500000 is ${bid}`);
N
)
echo "$seen"
test "$seen" = "scale 999999.9999999999 of audcnh czkthb czktry mxnczk mxnthb: 1500000 is 1.5000000000000002" || {
    echo "it has changed" >&2
    exit 1
}
