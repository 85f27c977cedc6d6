"""Writes the sessions of the exchange into files of a folder: `KIND/DAY.csv`, and `KIND/DAY.parquet` with pyarrow.

It asks the pool of NEPSE workers, page by page with low priority, so that other tasks are not held up. The CSV file is put in
place last: a day with it is finished, and not asked again.
"""

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Self

from hulak.bus.errors import BusError, BusTimeout, ConfigError, TaskFailed
from hulak.clients import table_files
from hulak.clients.feeds.nepse.market_clock import nepal_day
from hulak.clients.feeds.nepse.rows import INDEX_KEYS
from hulak.clients.nepse.archive.outcomes import Kind, Outcome, State
from hulak.clients.nepse.archive.sessions import SHEET_TOTALS, TOTALS, Sessions, day_of, differences, read_sessions
from hulak.clients.nepse.archive.sheet_part import SheetPart
from hulak.clients.whole_file import whole_file

PAGE = 500  # rows, the largest page in wide use
RECENT = 15  # sessions whose indices are in a short page of their history
SHORT_PAGE = 20
INDEX_FIGURES = {  # key of nepse-index and sub-indices -> key of index-history
    "currentValue": "closingIndex",
    "high": "highIndex",
    "low": "lowIndex",
    "change": "absChange",
    "perChange": "percentageChange",
}
Rows = list[dict[str, Any]]
Ask = Callable[[str, Mapping[str, Any]], Any]
Progress = Callable[[date, Kind, int, int | None], object]


class Archive:
    """The archive in one folder; a context manager, which holds the folder's lock.

    Args:
        folder: made if it does not exist.
        ask: calls an action of the service `nepse` with its arguments; raises `BusError`.
        on_rows: called after each page with the day, the kind, the rows so far and those of the whole, None if unknown.
        today: returns the day in Nepal.
    Raises:
        ConfigError: the folder cannot be used.
        BusError: `IN_USE`, another process archives into it.
    """

    def __init__(
        self,
        folder: Path,
        ask: Ask,
        on_rows: Progress = lambda *_: None,
        today: Callable[[], date] = lambda: nepal_day(time.time()),
    ) -> None:
        self.folder = folder
        self.parquet = table_files.has_parquet()
        self._ask = ask
        self._on_rows = on_rows
        self._today = today
        self._wanted: Sequence[date] = ()  # sessions of the run
        self._indices: dict[date, Rows] | None = None  # read once
        self._lock = _lock(folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._lock)

    def run(self, since: date | None, until: date | None, kinds: Sequence[Kind] = tuple(Kind)) -> Iterator[Outcome]:
        """Archive the sessions of some days, the newest first; those in the folder are not asked again.

        Args:
            since: the first day; None for the last session.
            until: the last day; None for the last session.
            kinds: of which.
        Yields:
            an outcome for each session and kind, and for each span of days without.
        Raises:
            BusError: the exchange did not say which days had a session.
            BusTimeout: no answer; the pages so far are kept.
            OSError: a file cannot be written.
        """
        self._remove_leftovers()
        today = self._today()
        sessions = read_sessions(self._ask("market-status", {}), self._ask("summary-history", {}), today)
        first, last = since or sessions.last, until or sessions.last
        begins = max(today, sessions.last + timedelta(1))
        if last >= begins:
            why = f"its session is not over; the last one that is over is that of {sessions.last}"
            yield Outcome(max(first, begins), last, None, State.LATER, why)
        wanted = sorted((day for day in sessions.totals if first <= day <= last), reverse=True)
        if not wanted and sessions.first <= first < begins:
            yield Outcome(first, min(last, begins - timedelta(1)), None, State.NO_SESSION)
        self._wanted = wanted
        for day in wanted:
            for kind in kinds:
                yield self._archive(day, kind, sessions)
        if first < sessions.first:
            yield self._beyond(first, min(last, sessions.first - timedelta(1)), sessions.first)

    def newest(self) -> date | None:
        """Return the newest day with a file of prices; None if there is none."""
        return max(self._days(Kind.PRICES), default=None)

    def _days(self, kind: Kind) -> list[date]:
        days = []
        for path in (self.folder / kind).glob("[0-9]*.*"):
            with contextlib.suppress(ValueError):
                days.append(date.fromisoformat(path.stem))
        return days

    def _beyond(self, first: date, last: date, oldest: date) -> Outcome:
        present = len({day for kind in Kind for day in self._days(kind) if first <= day <= last})
        why = f"the exchange serves the sessions since {oldest} only"
        if present:
            why += f"; {present} earlier {'day is' if present == 1 else 'days are'} in the folder already"
        return Outcome(first, last, None, State.GONE, why)

    def _archive(self, day: date, kind: Kind, sessions: Sessions) -> Outcome:
        csv_file, parquet_file = (self.folder / kind / f"{day}.{end}" for end in ("csv", "parquet"))
        if csv_file.exists():
            files = (csv_file, parquet_file) if parquet_file.exists() else (csv_file,)
            return Outcome(day, day, kind, State.PRESENT, files=files)
        try:
            if parquet_file.exists() and self.parquet:
                rows = table_files.csv_of_parquet(parquet_file, csv_file)
                return Outcome(day, day, kind, State.PRESENT, rows=rows, files=(csv_file, parquet_file))
            make = {Kind.PRICES: self._prices, Kind.INDICES: self._index_rows, Kind.SHEET: self._sheet}
            return make[kind](day, sessions)
        except BusTimeout:
            raise
        except ConfigError as error:
            return Outcome(day, day, kind, State.FAILED, str(error), "BAD_FILE")
        except BusError as error:
            state = State.GONE if error.code == "NO_SUCH_DAY" else State.FAILED
            return Outcome(day, day, kind, state, str(error), error.code)

    # Prices

    def _prices(self, day: date, sessions: Sessions) -> Outcome:
        rows: Rows = []
        page: int | None = 0
        while page is not None:
            answer = self._ask("today-price", {"date": day.isoformat(), "page": page, "pages": 1, "size": PAGE})
            rows += answer["rows"]
            page = answer["next"]
            self._on_rows(day, Kind.PRICES, len(rows), answer["total"])
        others = {day_of(row, "businessDate") for row in rows} - {day}
        if others or not rows:
            seen = f"with those of {min(map(str, others))}" if others else "without prices"
            raise TaskFailed("BAD_ANSWER", f"today-price for the session of {day} was answered {seen}; try again later")
        notes = differences(TOTALS, rows, sessions.totals[day])
        if notes and day == sessions.last:
            raise TaskFailed("INCOMPLETE", f"the prices do not add up: {'; '.join(notes)}; try again later", retryable=True)
        return self._written(day, Kind.PRICES, rows, notes)

    # Indices

    def _index_rows(self, day: date, sessions: Sessions) -> Outcome:
        if self._indices is None:
            recent = sorted(sessions.totals, reverse=True)[:RECENT]
            unread = [other for other in self._wanted if not (self.folder / Kind.INDICES / f"{other}.csv").exists()]
            self._indices = self._read_indices(day, SHORT_PAGE if set(unread) <= set(recent) else PAGE)
        rows = self._indices.get(day, [])
        if len(rows) < len(INDEX_KEYS) and day == sessions.last:
            rows = self._newest_indices(day, rows)
        if not rows:
            return Outcome(day, day, Kind.INDICES, State.GONE, "the histories of the indices do not have this day")
        absent = [symbol for number, symbol in INDEX_KEYS.items() if number not in {row["indexId"] for row in rows}]
        return self._written(day, Kind.INDICES, rows, [f"without {', '.join(absent)}"] if absent else [])

    def _read_indices(self, day: date, size: int) -> dict[date, Rows]:
        """Return the rows of all indices by day: each history has all days of a run."""
        by_day: dict[date, Rows] = {}
        for done, (number, symbol) in enumerate(INDEX_KEYS.items(), 1):
            answer = self._ask("index-history", {"index": number, "pages": 1, "size": size})
            for row in answer["rows"]:
                of = day_of(row, "businessDate")
                if of is not None and row.get("closingIndex"):  # 0 during the session
                    known = {"businessDate": of.isoformat(), "indexId": number, "symbol": symbol}
                    by_day.setdefault(of, []).append(known | {key: value for key, value in row.items() if key not in known})
            self._on_rows(day, Kind.INDICES, done, len(INDEX_KEYS))
        return by_day

    def _newest_indices(self, day: date, rows: Rows) -> Rows:
        """Add the indices whose history has not the last session yet, from the tables of current values."""
        by_id = {row["indexId"]: row for row in rows}
        for action in ("nepse-index", "sub-indices"):
            for row in self._ask(action, {}):
                number = row.get("id") if isinstance(row, dict) else None
                if isinstance(number, int) and number in INDEX_KEYS and number not in by_id and row.get("currentValue"):
                    known = {"businessDate": day.isoformat(), "indexId": number, "symbol": INDEX_KEYS[number]}
                    by_id[number] = known | {to: row[key] for key, to in INDEX_FIGURES.items() if row.get(key) is not None}
        return [by_id[number] for number in INDEX_KEYS if number in by_id]

    # Floor sheet

    def _sheet(self, day: date, sessions: Sessions) -> Outcome:
        path = self.folder / Kind.SHEET / f".{day}.part"
        if day != sessions.last:
            why = f"the exchange serves the floor sheet of the last session only, that of {sessions.last}"
            return Outcome(day, day, Kind.SHEET, State.GONE, _with_part(why, SheetPart(path)))
        path.parent.mkdir(exist_ok=True)
        part, changes = SheetPart(path), 0
        while part.next is not None:
            answer = self._ask("floor-sheet", {"page": part.next, "pages": 1, "size": PAGE})
            days = {day_of(row, "businessDate") for row in answer["rows"]}
            if any(other is not None and other > day for other in days):
                why = "the next session has begun, and the exchange serves its floor sheet only"
                return Outcome(day, day, Kind.SHEET, State.GONE, _with_part(why, part))
            if days != {day}:
                seen = f"with contracts of {min(map(str, days - {day}))}" if days else "without contracts"
                raise TaskFailed("BAD_ANSWER", f"floor-sheet was answered {seen}, wanted those of {day}; try again later")
            if not part.add(answer):
                part.discard()
                changes += 1
                if changes > 1:
                    raise TaskFailed(
                        "INCOMPLETE", "the floor sheet keeps changing while it is read; try again later", retryable=True
                    )
            self._on_rows(day, Kind.SHEET, part.contracts, answer["totalTrades"])
        try:
            part.check()
        except TaskFailed:
            part.discard()
            raise
        notes = differences(SHEET_TOTALS, [part.totals or {}], sessions.totals[day])
        outcome = self._written(day, Kind.SHEET, part, notes)
        part.discard()
        return outcome

    # Files

    def _written(self, day: date, kind: Kind, rows: Iterable[dict[str, Any]], notes: Sequence[str]) -> Outcome:
        table = table_files.Table(rows)
        csv_file, parquet_file = (self.folder / kind / f"{day}.{end}" for end in ("csv", "parquet"))
        csv_file.parent.mkdir(exist_ok=True)
        with contextlib.ExitStack() as files:
            table_files.fill_csv(files.enter_context(whole_file(csv_file)), table.heads, table)
            if self.parquet:  # put in place first
                table_files.fill_parquet(files.enter_context(whole_file(parquet_file)), table)
        written = (csv_file, parquet_file) if self.parquet else (csv_file,)
        return Outcome(day, day, kind, State.ARCHIVED, rows=table.count, files=written, notes=tuple(notes))

    def _remove_leftovers(self) -> None:
        """Remove temporary files of a run that was killed; the lock says that none is at work."""
        for kind in Kind:
            for ending in ("csv", "parquet"):
                for path in (self.folder / kind).glob(f".*.{ending}.*"):
                    path.unlink(missing_ok=True)


def _with_part(why: str, part: SheetPart) -> str:
    """Add the number of contracts of a floor sheet that cannot be read to its end any more."""
    if part.totals is None:
        return why
    return f"{why}; {part.contracts} of {part.totals['totalTrades']} contracts were read, they are in {part.path}"


def _lock(folder: Path) -> int:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise ConfigError(
            f"the archive's folder {folder} cannot be used: {error.strerror}; choose another one with --into"
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        raise BusError("IN_USE", f"another process archives into {folder}; wait for it, or choose another folder") from error
    return lock
