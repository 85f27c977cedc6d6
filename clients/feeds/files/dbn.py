"""Databento's DBN: records of quotes (schemas mbp-1, tbbo, bbo-*, cmbp-1, cbbo-*, tcbbo), plain or compressed by zstd.

Prices are whole multiples of 1e-9, an empty side is the largest whole number. A record has an instrument's number; its symbol is
in the mappings at the file's beginning, each with its days. The times are the venue's; where a record has none, and in samples
(bbo, cbbo), the receipt's. Needs the package databento-dbn (extra `dbn`).
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from io import BufferedReader
from typing import Any, cast

from hulak.bus.errors import FeedError
from hulak.bus.wire.messages import Tick
from hulak.clients.feeds.file_lines import BROKEN
from hulak.clients.feeds.files.reader import FileOptions, Item, MixedFile, TickReader
from hulak.clients.feeds.symbol_keys import SymbolKeys
from hulak.clients.feeds.venues.parsing import shown, time_of

READ_BYTES = 1 << 14  # at a time: zstd may make a hundred times as many of them
UNITS = 10**9
NO_PRICE, NO_TIME = (1 << 63) - 1, (1 << 64) - 1
FIRST_DAY = date(1970, 1, 1)
DAY_NS = 86_400 * 10**9
SAMPLED = ("BBOMsg", "CBBOMsg")  # classes of records whose time is that of the sample
CONSOLIDATED = ("CMBP1Msg", "CBBOMsg")  # whose quotes are of several venues, and are meant so
QUOTES = ("MBP1Msg", "BBOMsg", "CMBP1Msg", "CBBOMsg")
BETWEEN = (
    "SystemMsg",
    "StatusMsg",
    "SymbolMappingMsg",
    "InstrumentDefMsg",
)  # records that stand between the quotes of a live stream
MAX_CACHED = 100_000


def read_dbn(content: BufferedReader, name: str, path: str, options: FileOptions) -> TickReader:
    """Read a DBN file; its path says nothing. Raises `FeedError`."""
    del path
    return DbnFile(content, name, options)


class DbnFile(TickReader):
    """A DBN file; see `TickReader`.

    Args:
        content: plain or compressed by zstd.
        name: of the file.
        options: the user's; `symbol` names the instrument of a file without mappings.
    Raises:
        FeedError: it is refused, or the package is missing.
    """

    form = "Databento DBN"
    scale = "1/1000000000"

    def __init__(self, content: BufferedReader, name: str, options: FileOptions) -> None:
        super().__init__(name, options)
        try:
            import databento_dbn as dbn  # noqa: PLC0415  # an extra
        except ImportError:
            raise self.refusal('it is Databento\'s DBN, which needs the extra dbn: pip install "hulak[dbn]"') from None
        zstd, kinds = content.peek(4).startswith(b"(\xb5/\xfd"), cast("Any", dbn.Compression)  # its members are typed as texts
        self._content = content
        self._decoder = dbn.DBNDecoder(compression=kinds.ZSTD if zstd else kinds.NONE)
        self._records = self._decoded()
        self._names = SymbolKeys()
        self._symbols: dict[tuple[int, int], str] = {}  # instrument and day -> key, of those seen
        self._publishers: dict[str, int] = {}  # key -> number of the venue
        metadata = next(self._records, None)
        if metadata is None or type(metadata).__name__ != "Metadata":
            raise self.refusal("it does not begin with DBN's metadata")
        schema = str(metadata.schema or "")
        if (schema and not schema.startswith(("mbp-1", "tbbo", "bbo", "cmbp-1", "cbbo", "tcbbo"))) or schema == "mbp-10":
            raise self.refusal(f"its schema is {schema}, must be one of quotes: mbp-1, tbbo, bbo, cmbp-1, cbbo or tcbbo")
        self.origin = str(metadata.dataset)
        self.form = f"Databento DBN, {metadata.dataset} {schema}".rstrip()
        try:
            self._days = _days_of(metadata)
        except FeedError as error:
            raise self.refusal(str(error)) from error
        self._unnamed: int | None = None  # the one instrument of a file without mappings
        self.check()

    def _decoded(self) -> Iterator[Any]:
        try:
            while data := self._content.read(READ_BYTES):
                yield from self._decoder.write_and_decode(data)
        except BROKEN as error:
            raise self.refusal(f"it is damaged: {error}") from error
        except BaseException as error:  # the package raises a panic of its Rust code past `Exception`
            if type(error).__name__ not in {"DBNError", "PanicException"}:
                raise
            raise self.refusal(f"it is damaged: {error}") from error
        if self._decoder.buffer():
            raise self.refusal("it ends within a record: it is cut")

    def _parsed(self) -> Iterator[Item]:
        for number, record in enumerate(self._records, 1):
            kind = type(record).__name__
            if kind not in QUOTES:
                if kind in BETWEEN:
                    continue
                raise self.refusal(f"record {number} is of the kind {kind}, must be a quote")
            try:
                tick = self._tick(record, kind)
            except MixedFile as error:
                raise self.refusal(f"record {number}: {error}") from error
            except FeedError as error:
                yield FeedError(f"{self.name} record {number}: {error}")
            else:
                if tick is not None:
                    yield tick

    def _tick(self, record: Any, kind: str) -> Tick | None:
        time_ns: int = record.ts_recv if kind in SAMPLED or record.ts_event == NO_TIME else record.ts_event
        if time_ns == NO_TIME:
            raise FeedError("it has no time")
        time_ms = time_of(time_ns, "time")
        symbol = self._symbol(record.instrument_id, time_ns // DAY_NS)
        if not self._is_wanted(symbol):
            return None
        if kind not in CONSOLIDATED:
            self._check_publisher(symbol, int(record.publisher_id))
        bid, ask = record.bid_px_00, record.ask_px_00
        if bid == NO_PRICE == ask:
            raise FeedError("it has neither bid nor ask: the book is empty")
        return Tick(
            symbol,
            None if bid == NO_PRICE else bid / UNITS,
            None if ask == NO_PRICE else ask / UNITS,
            time_ms,
            self.options.source,
        )

    def _symbol(self, instrument: int, day: int) -> str:
        symbol = self._symbols.get((instrument, day))
        if symbol is None:
            if len(self._symbols) >= MAX_CACHED:
                self._symbols.clear()
            symbol = self._symbols[instrument, day] = self._names.of(self._name_of(instrument, day))
        return symbol

    def _name_of(self, instrument: int, day: int) -> str:
        if self._days:
            for begins, ends, name in self._days.get(instrument, ()):
                if begins <= day < ends:
                    return name
            at = datetime.fromtimestamp(day * 86_400, UTC).date()
            raise FeedError(f"instrument {instrument} has no symbol on {at} in the file's mappings")
        if self.options.symbol is None:
            raise FeedError(f"the file has no mappings of numbers to symbols: give that of instrument {instrument} with --symbol")
        if self._unnamed not in {None, instrument}:
            raise MixedFile(f"the file has no mappings, and ticks of the instruments {self._unnamed} and {instrument}")
        self._unnamed = instrument
        return self.options.symbol

    def _check_publisher(self, symbol: str, publisher: int) -> None:
        """Check that all quotes of a symbol are of one venue: they have one topic. Raises `MixedFile`."""
        other = self._publishers.setdefault(symbol, publisher)
        if other != publisher:
            raise MixedFile(
                f"it is a quote of {symbol} by venue {publisher} (publisher_id), and the ones before it are by {other}: "
                "give a file of one venue's quotes, or of a consolidated schema"
            )


def _days_of(metadata: Any) -> dict[int, list[tuple[int, int, str]]]:
    """Return each instrument's names with their first and last day (excluded), in days since 1970; empty without mappings.

    Raises:
        FeedError: the mappings are not between names and numbers.
    """
    days: dict[int, list[tuple[int, int, str]]] = {}
    by_number = str(metadata.stype_in) == "instrument_id"
    for name, intervals in metadata.mappings.items():
        for interval in intervals:
            begins, ends = ((interval[key] - FIRST_DAY).days for key in ("start_date", "end_date"))
            number, symbol = (name, interval["symbol"]) if by_number else (interval["symbol"], name)
            if not number:
                continue  # a time without an instrument
            if not number.isdigit():
                raise FeedError(f"its mappings have {shown(number)}, must be the number of an instrument")
            days.setdefault(int(number), []).append((begins, ends, symbol))
    return days
