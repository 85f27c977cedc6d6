"""Past ticks, from the broker's journal. PROTOCOL.md section 7.3."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hulak.bus.subscriber.events import Event, event_of
from hulak.clients.calls.client import BusClient
from hulak.clients.tables.columns import table_of_topic
from hulak.clients.tables.extras import need, need_arrow

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa


@dataclass(slots=True)
class History:
    """A range of ticks, requested piece by piece; iteration yields events in order.

    Args:
        client: connected.
        topic: `tick.EURUSD`; `ticks` or empty for all; or a prefix that ends with `.` or `*`.
        first: number of the first tick, inclusive: the sequence for one topic, else the number in the global order.
        last: number of the last tick, inclusive.
        since_ns: not before this time of the broker's stamp, ns since 1970 UTC.
        until_ns: not after this time.
        timeout_s: for each piece, in seconds.
    """

    client: BusClient
    topic: str
    first: int | None = None
    last: int | None = None
    since_ns: int | None = None
    until_ns: int | None = None
    timeout_s: float = 10.0
    missing: list[tuple[int, int]] = field(default_factory=list)  # ranges the journal does not have, known at the end

    def __iter__(self) -> Iterator[Event]:
        """Yield every tick that the journal has.

        Raises:
            BusError: `TOO_OLD`, with `details["oldest"]`; `UNKNOWN_TOPIC`; `BAD_ARGUMENT`.
            BusTimeout: no reply within `timeout_s`.
        """
        for rows in self._pieces():
            for _, frame in rows:
                yield event_of(frame)

    def _pieces(self) -> Iterator[list[Any]]:
        """Yield the rows [number, frame] of one request after the other; raises as `__iter__`."""
        limits = {"from": self.first, "to": self.last, "since_ns": self.since_ns, "until_ns": self.until_ns}
        args: dict[str, Any] = {"topic": self.topic, **{name: value for name, value in limits.items() if value is not None}}
        while True:
            rows: list[Any] = []
            ways: dict[str, Any] = {"on_part": rows.extend, "on_restart": rows.clear}
            answer = self.client.call("hulak.replay", "", args, timeout_s=self.timeout_s, **ways)
            yield rows
            self.missing += [(first, last) for first, last in answer["missing"]]
            if answer["next"] is None:
                return
            args = {**args, "from": answer["next"]}

    def to_arrow(self, table: str = "") -> "pa.Table":
        """Return the ticks as an Arrow table, with the columns of docs/howto/tables.md.

        The columns `feed` and `feed_number` are null: only the journal's files have them.

        Args:
            table: of which messages: `ticks`, `trades`, `markets`, ...; others are left out. By default the table of the topic:
                `trades` for `trade.NABIL`, and `ticks` for all topics.
        Raises:
            BusError, BusTimeout: as in iteration.
            ConfigError: pyarrow or numpy is not installed.
        """
        need_arrow("to_arrow")
        import pyarrow as pa  # noqa: PLC0415 - an extra

        from hulak.clients.tables.frame_tables import frames_in, tables_of  # noqa: PLC0415 - needs the extra
        from hulak.clients.tables.schema import schema_of  # noqa: PLC0415 - likewise

        name = table or table_of_topic(self.topic)
        parts = [schema_of(name).empty_table()]
        for rows in self._pieces():
            for frames in frames_in(rows).chunks():
                parts += [part for kind, part in tables_of(frames).items() if kind == name]
        return pa.concat_tables(parts).unify_dictionaries()

    def to_pandas(self, table: str = "") -> "pd.DataFrame":
        """Return the ticks as a DataFrame of pandas; otherwise as `to_arrow`."""
        need("pandas", "frames", "to_pandas")
        frame: pd.DataFrame = self.to_arrow(table).to_pandas()
        return frame

    def to_polars(self, table: str = "") -> "pl.DataFrame":
        """Return the ticks as a DataFrame of polars; otherwise as `to_arrow`."""
        polars = need("polars", "frames", "to_polars")
        frame: pl.DataFrame = polars.from_arrow(self.to_arrow(table))
        return frame


def last_events(client: BusClient, topic: str, timeout_s: float = 5.0) -> list[Event]:
    """Return the last message of a topic, or of every topic under a prefix that ends with `.` or `*` or is empty."""
    return [event_of(frame) for frame in client.call("hulak.last", "", {"topic": topic}, timeout_s=timeout_s)]
