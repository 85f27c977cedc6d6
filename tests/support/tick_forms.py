"""Binary tick files with invented numbers, in the forms of Dukascopy, Databento and Nautilus."""

import lzma
import struct
from datetime import date
from types import SimpleNamespace

import databento_dbn as dbn
import pyarrow as pa
import pyarrow.parquet as pq

T_NS = 1_704_153_600_123_456_789  # 2024-01-02 00:00:00.123 UTC
NO_PRICE, NO_TIME = 2**63 - 1, 2**64 - 1


def bi5(*rows):
    """Return an hour: rows of ms, ask and bid as whole numbers."""
    return lzma.compress(b"".join(struct.pack(">IIIff", *row, 1.5, 0.75) for row in rows), lzma.FORMAT_ALONE)


def dbn_metadata(schema="mbp-1", names=(("ESH4", "5"),), day=date(2024, 1, 2)):
    """Return a DBN file's beginning, whose names are valid on one day."""
    until = date.fromordinal(day.toordinal() + 1)
    intervals = [(name, SimpleNamespace(start_date=day, end_date=until, symbol=number)) for name, number in names]
    return bytes(
        dbn.Metadata(
            dataset="GLBX.MDP3",
            start=T_NS,
            stype_in=dbn.SType.RAW_SYMBOL,
            stype_out=dbn.SType.INSTRUMENT_ID,
            schema=dbn.Schema.from_str(schema),
            symbols=[name for name, _ in names],
            mappings=[SimpleNamespace(raw_symbol=name, intervals=[interval]) for name, interval in intervals],
        )
    )


def dbn_quote(
    bid=4_700_250_000_000, ask=4_700_500_000_000, *, instrument=5, publisher=1, event_ns=T_NS, received_ns=T_NS + 10**6
):
    """Return a record of the schema mbp-1; prices in units of 1e-9."""
    return bytes(
        dbn.MBP1Msg(
            publisher_id=publisher,
            instrument_id=instrument,
            ts_event=event_ns,
            price=NO_PRICE,
            size=0,
            action=dbn.Action.ADD,
            side=dbn.Side.BID,
            depth=0,
            ts_recv=received_ns,
            flags=0,
            ts_in_delta=0,
            sequence=0,
            levels=dbn.BidAskPair(bid_px=bid, ask_px=ask),
        )
    )


def nautilus(path, rows, *, width=16, precision="5", instrument="EUR/USD.SIM", unit=None):
    """Write a catalogue's file of quotes: rows of bid, ask (whole numbers of 1e-5) and ns."""
    unit = unit or 10 ** ({16: 16, 8: 9}[width] - 5)
    prices = [
        pa.array([(row[side] * unit).to_bytes(width, "little", signed=True) for row in rows], pa.binary(width)) for side in (0, 1)
    ]
    times = pa.array([row[2] for row in rows], pa.uint64())
    metadata = {"instrument_id": instrument, "price_precision": precision, "size_precision": "0"}
    schema = pa.schema(
        [("bid_price", pa.binary(width)), ("ask_price", pa.binary(width)), ("ts_event", pa.uint64())], metadata=metadata
    )
    pq.write_table(pa.Table.from_arrays([*prices, times], schema=schema), path)
