"""Dukascopy's .bi5: one hour's ticks of one instrument, 20 bytes each, compressed by LZMA.

A record is big-endian: ms in the hour, ask and bid as whole multiples of the instrument's scale, and two volumes. Neither the
hour nor the instrument nor the scale is in the file. The first two are in the path of the archive, whose months count from 00:
`EURUSD/2024/00/02/10h_ticks.bi5` is the second of January, 10:00 UTC. An hour without ticks is a file of 0 bytes.
"""

import lzma
import re
from collections.abc import Iterator
from datetime import date
from io import BufferedReader
from struct import Struct

from hulak.bus.errors import FeedError
from hulak.bus.wire.messages import Tick
from hulak.clients.feeds.file_lines import BROKEN
from hulak.clients.feeds.files.dukascopy_scales import SCALES
from hulak.clients.feeds.files.reader import EmptyFile, FileOptions, Item, TickReader, symbol_in
from hulak.clients.feeds.files.zones import HOUR_MS
from hulak.clients.feeds.symbol_keys import canonical_symbol

RECORD = Struct(">IIIff")
READ_RECORDS = 4096  # at a time
_IN_PATH = re.compile(r"/([A-Za-z0-9]+)/([0-9]{4})/([0-9]{2})/([0-9]{2})/[0-9]{2}h_ticks\.bi5$").search
_HOUR = re.compile(r"(?<![0-9])([01][0-9]|2[0-3])h(?![0-9a-z])").search


def read_bi5(content: BufferedReader, name: str, path: str, options: FileOptions) -> TickReader:
    """Read an hour of Dukascopy's archive. Raises `FeedError`."""
    return Bi5File(content, name, path, options)


class Bi5File(TickReader):
    """One .bi5 file; see `TickReader`.

    Args:
        content: the compressed bytes.
        name: of the file.
        path: of its folder.
        options: the user's; `day` is that of a path with months from 01, `scale` that of an instrument without a known one.
    Raises:
        EmptyFile: it has 0 bytes.
        FeedError: it is refused.
    """

    form = "Dukascopy .bi5"
    origin = "dukascopy"
    clock = "UTC"

    def __init__(self, content: BufferedReader, name: str, path: str, options: FileOptions) -> None:
        super().__init__(name, options)
        if not content.peek(1):
            raise EmptyFile(f"{name} is empty: an hour without ticks in Dukascopy's archive")
        if "candles" in name.lower():
            raise self.refusal("its name says that it holds candles (bars), not ticks")
        in_path = _IN_PATH(f"{path}/{name}")
        try:
            self.symbol = self._symbol(in_path)
            self._hour_ms = self._begins(in_path)
            self._scale = self._scale_of(self.symbol)
        except EmptyFile:
            raise
        except FeedError as error:
            raise self.refusal(str(error)) from error
        self.scale = f"1/{self._scale}"
        self._rows = self._records(lzma.LZMAFile(content))  # noqa: SIM115  # closed with its last reference
        self.check()

    def _symbol(self, in_path: re.Match[str] | None) -> str:
        symbol = self._wanted
        if in_path is None:
            return symbol or symbol_in(self.name)
        named = canonical_symbol(in_path[1])
        if symbol not in {None, named}:
            raise EmptyFile(f"{self.name} has ticks of {named}, not of {symbol}")
        return named

    def _begins(self, in_path: re.Match[str] | None) -> int:
        """Return when the hour begins, ms since 1970 UTC."""
        hour = _HOUR(self.name.lower())
        hours = self.options.hour if self.options.hour is not None else int(hour[1]) if hour else None
        if hours is None:
            raise FeedError("its name does not say the hour, as 10h_ticks.bi5: give it, as --date 2024-01-02T10")
        return _day_number(self._day(in_path)) * 24 * HOUR_MS + hours * HOUR_MS

    def _day(self, in_path: re.Match[str] | None) -> date:
        given = self.options.day
        if in_path is None:
            if given is None:
                raise FeedError(
                    "its path does not say the day, as EURUSD/2024/00/02/10h_ticks.bi5: give it, as --date 2024-01-02"
                )
            return given
        year, month, day = int(in_path[2]), int(in_path[3]), int(in_path[4])
        from_0, from_1 = _date(year, month + 1, day), _date(year, month, day)
        if given is not None:
            if given not in {from_0, from_1}:
                raise FeedError(f"--date is {given}, and its path {in_path[0]} has another day")
            return given
        if from_0 is None:
            raise FeedError(
                f"its path {in_path[0]} has no such day where months count from 00, as in Dukascopy's archive: "
                "give the day, as --date 2024-01-02"
            )
        return from_0

    def _scale_of(self, instrument: str) -> int:
        known, given = SCALES.get(instrument), self.options.scale
        if known and given and known != given:
            raise FeedError(f"--scale is {given}, and the scale of {instrument} is {known}: give other instruments by themselves")
        scale = known or given
        if scale is None:
            raise FeedError(
                f"the scale of {instrument}'s prices is not known: give it, as --scale 1000 for prices of three decimals "
                "(most are 1000 or 100000)"
            )
        return scale

    def _records(self, file: lzma.LZMAFile) -> Iterator[tuple[int, int, int, float, float]]:
        while True:
            try:
                data = file.read(READ_RECORDS * RECORD.size)
                while len(data) % RECORD.size and (more := file.read(RECORD.size - len(data) % RECORD.size)):
                    data += more
            except BROKEN as error:
                raise self.refusal(f"it is damaged: {error}") from error
            if not data:
                return
            if len(data) % RECORD.size:
                raise self.refusal(f"it ends within a record of {RECORD.size} bytes: it is cut, or holds no ticks")
            yield from RECORD.iter_unpack(data)

    def _parsed(self) -> Iterator[Item]:
        begins, scale, symbol, source = self._hour_ms, self._scale, self.symbol, self.options.source
        for since_ms, ask, bid, ask_volume, bid_volume in self._rows:
            if since_ms >= HOUR_MS or not (ask_volume >= 0 and bid_volume >= 0):
                raise self.refusal(f"a record has {since_ms} ms since the hour began, must be ms of an hour: it holds no ticks")
            if ask or bid:
                yield Tick(symbol, bid / scale if bid else None, ask / scale if ask else None, begins + since_ms, source)
            else:
                yield FeedError(f"{self.name}: a record has neither bid nor ask")


def _day_number(day: date) -> int:
    return (day - date(1970, 1, 1)).days


def _date(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None
