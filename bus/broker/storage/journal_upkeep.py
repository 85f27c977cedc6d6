"""The upkeep of the closed segments: they are compressed, and those beyond the bounds are archived, then deleted.

    plain --compressed beside it--> compressed --beyond the bounds--> in the archive too --> deleted here
                                                       └─ without an archive ──────────────> deleted

While the archive cannot be written, segments stay, up to `archive_spare_bytes` beyond `max_bytes`. Beyond that they are deleted
without being archived, or stay, as `archive_failed` says.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from hulak.bus.broker.storage import segment_jobs
from hulak.bus.broker.storage.journal_segments import JournalSegments, Segment
from hulak.bus.broker.storage.upkeep_thread import UpkeepThread
from hulak.bus.core.journal.segment_retention import Retention
from hulak.bus.core.journal.segment_upkeep import Upkeep, UpkeepRules, next_work
from hulak.bus.process.log import Notice
from hulak.bus.process.settings import JournalSettings

AGAIN_S = 5.0  # after the archive could not be written
SLOW_S = 120.0  # without a result while segments wait: a disk that hangs reports no error
COMPRESS_AGAIN_S = 300.0  # after a segment could not be compressed


class JournalUpkeep:
    """Decides what happens to closed segments, and has it done; used by the loop's thread.

    Args:
        files: of the journal.
        settings: bounds, compression and archive.
        home: a relative path of the archive begins there.
    """

    def __init__(self, files: JournalSegments, settings: JournalSettings, home: Path) -> None:
        self.files = files
        self.settings = settings
        self.archive = None if settings.archive is None else home / settings.archive
        self.retention = Retention(settings.max_bytes, settings.max_s, settings.min_hours * 3600)
        self.trouble = ""  # why the archive cannot be written; empty if it can
        self.archived = 0  # segments
        self.dropped = 0  # segments deleted that the archive does not have
        self.waiting = 0  # segments that wait for the archive
        self.notices: list[Notice] = []  # emptied by the journal
        self._rules = UpkeepRules(settings.compress, settings.plain_segments, self.archive is not None)
        self._thread = UpkeepThread()
        self._work: tuple[Upkeep, int] | None = None  # under way: its kind, and the serial of its segment
        self._there: set[int] = set()  # serials of segments that the archive has
        self._unable: dict[int, float] = {}  # serial of a segment that could not be compressed -> when to try again
        self._archive_at = 0.0
        self._progress_at: float | None = None  # of the last result, or since when segments wait; None: none waits
        self._full = False  # segments are being deleted that the archive does not have

    def beat(self, journal: str, age_s: float, now: float) -> None:
        """Take the result of the last work, delete what may be deleted, and begin the next work.

        Args:
            journal: id of the journal.
            age_s: by the broker's clock.
            now: monotonic seconds.
        """
        self._take_result(now)
        segments = self.files.segments
        due, why = self.retention.due(segments, age_s, now)
        self._watch(due, now)
        if due:
            due -= self._remove(due, why, age_s, now)
        self.waiting = due if self.archive is not None else 0
        if not due and not self._full:
            self.trouble = ""  # nothing waits: others were compressed, so that there is room again
        if not self._thread.busy:
            self._begin(segments, due if now >= self._archive_at else 0, journal, now)

    def _watch(self, due: int, now: float) -> None:
        """Notice an archive that takes nothing and reports no error."""
        if not due or self.archive is None:
            self._progress_at = None
        elif self._progress_at is None:
            self._progress_at = now
        elif now - self._progress_at > SLOW_S and now >= self._archive_at:
            self._fail(f"no answer for {SLOW_S:g} s", now)

    def _remove(self, due: int, why: str, age_s: float, now: float) -> int:
        """Delete segments of those that are due; returns how many."""
        segments = self.files.segments
        if self.archive is None:
            return self._delete(due, now, why)
        safe = next((at for at in range(due) if segments[at].serial not in self._there), due)
        dropped = 0
        if self.trouble and now < self._archive_at and self.settings.archive_failed == "drop":  # else it is tried once more first
            beyond = self.retention.beyond(segments, age_s, self.settings.archive_spare_bytes)
            dropped = max(0, beyond - safe)
        self._there.difference_update(segment.serial for segment in segments[: safe + dropped])
        removed = self._delete(safe, now, why) if safe else 0
        if dropped:
            self.dropped += dropped
            if not self._full:
                text = f"the archive cannot be written: {self.trouble}; no more segments are kept for it"
                self._log("error", "journal segments not archived", why=text)
            self._full = True
            removed += self._delete(dropped, now, "archive")
        return removed

    def _delete(self, count: int, now: float, why: str) -> int:
        first, last = self.files.remove(count)
        self.retention.removed(why, now)
        self._log("info", "journal segments deleted", why=why, segments=count, first=first, last=last)
        return count

    # Work

    def _begin(self, segments: Sequence[Segment], due: int, journal: str, now: float) -> None:
        if self._unable:
            self._unable = {serial: again for serial, again in self._unable.items() if again > now}
        work = next_work(segments, due, self._rules, self._there, self._unable)
        if work is None:
            return
        kind, at = work
        segment = segments[at]
        self._work = kind, segment.serial
        if kind is Upkeep.COMPRESS:
            self._thread.start(partial(segment_jobs.compress, segment.path, segment.size))
        elif self.archive is not None:
            self._thread.start(partial(segment_jobs.archive, segment.path, self.archive, journal))

    def _take_result(self, now: float) -> None:
        result = self._thread.result()
        if result is None or self._work is None:
            return
        (kind, serial), self._work, self._progress_at = self._work, None, now
        if kind is Upkeep.COMPRESS:
            self._compressed(serial, result, now)
        elif isinstance(result, Path):
            self._there.add(serial)
            self.archived += 1
            if self.trouble:
                self._log("info", "journal archive works again", archive=str(self.archive))
            self.trouble, self._full = "", False
        else:
            self._fail(result, now)

    def _fail(self, why: str, now: float) -> None:
        self._archive_at = now + AGAIN_S
        if not self.trouble:
            self._log("error", "journal archive cannot be written", archive=str(self.archive), why=why)
        self.trouble = why

    def _compressed(self, serial: int, result: Path | str, now: float) -> None:
        if isinstance(result, Path):
            try:
                self.files.replace(serial, result)
            except OSError as error:
                result = str(error)
            else:
                return
        self._unable[serial] = now + COMPRESS_AGAIN_S
        if any(segment.serial == serial for segment in self.files.segments):
            self._log("warning", "journal segment not compressed", segment=serial, why=result)

    def _log(self, level: str, event: str, **fields: Any) -> None:
        self.notices.append(Notice(level, event, fields))

    def stats(self) -> dict[str, Any]:
        """Return the state of compression and archive."""
        segments = self.files.segments
        values: dict[str, Any] = {"compressed": sum([segment.compressed for segment in segments])}
        if self.archive is not None:
            values["archive"] = {
                "folder": str(self.archive),
                "why": self.trouble,
                "waiting": self.waiting,
                "waiting_bytes": sum([segment.stored for segment in segments[: self.waiting]]),
                "archived": self.archived,
                "dropped": self.dropped,
                "kept": not self._full,
            }
        return values

    def close(self) -> None:
        """Leave the work that is under way."""
        self._thread.end()
