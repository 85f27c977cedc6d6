"""Lines of `hulak up` without a live view, one for each change; and the judgement of what only a restart mends. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from hulak.clients.cli.live_model import Process, Snapshot
from hulak.clients.durations import age
from hulak.clients.judge.facts import Finding
from hulak.clients.judge.situations import SILENT, Level

LASTS_S = 3.0  # a finding is printed after this time without a break
GONE_S = 5.0  # and is over after this time without it
HANGS_S = 30.0  # silence of supervisord or of the broker, after which a restart is the only remedy
ENDED = {"stopped", "exited"}
FAILING = {"backoff", "fatal", "unknown"}


@dataclass(frozen=True, slots=True)
class Change:
    """A line to print."""

    level: Level
    text: str


@dataclass
class _Condition:
    level: Level
    text: str
    since: float
    seen: float
    printed: Level | None = None  # the level printed


@dataclass
class Changes:
    """Compares each snapshot with the one before. A condition that comes and goes within seconds makes no line."""

    _processes: Mapping[str, Process] = field(default_factory=dict)
    _conditions: dict[str, _Condition] = field(default_factory=dict)

    def update(self, snapshot: Snapshot, now: float) -> list[Change]:
        """Return the changes since the last call.

        Args:
            snapshot: of the present.
            now: monotonic seconds.
        """
        return [*self._of_processes(snapshot), *self._of_health(snapshot, now)]

    def _of_processes(self, snapshot: Snapshot) -> list[Change]:
        before = self._processes
        after = {row.name: row for row in snapshot.processes}
        if len(after) > 1 or not before:  # one row: supervisord does not answer, and the others are unknown
            self._processes = after
        if not before:
            return []
        changes = (_process_change(before.get(name), row) for name, row in self._processes.items())
        return [change for change in changes if change is not None]

    def _of_health(self, snapshot: Snapshot, now: float) -> list[Change]:
        changes: list[Change] = []
        worst: dict[str, tuple[Level, str]] = {}
        for row in snapshot.verdict.findings:  # worst first
            if row.what != "starting":
                worst.setdefault(_key(row), (row.level, row.text))
        for what, (level, text) in worst.items():
            known = self._conditions.setdefault(what, _Condition(level, text, now, now))
            if known.level != level:
                known.level, known.since = level, now
            known.text, known.seen = text, now
            waits_s = 0.0 if what.startswith(SILENT) else LASTS_S  # about a silent process the judge has waited already
            if now - known.since >= waits_s and known.printed != level:
                known.printed = level
                changes.append(Change(level, f"{level.name}: {text}"))
        for what, known in list(self._conditions.items()):
            if what not in worst and now - known.seen >= GONE_S:
                del self._conditions[what]
                if known.printed is not None:
                    rest = any(row.printed is not None for row in self._conditions.values())
                    changes.append(Change(Level.OK, f"over: {known.text}" + ("" if rest else "; all is well")))
        return changes


def _key(finding: Finding) -> str:
    """Return what makes a finding another one than before."""
    return f"{finding.what} {finding.text.partition(' is ')[0]}" if finding.what in SILENT else finding.what


def _process_change(before: Process | None, after: Process) -> Change | None:
    state, pid = ("", 0) if before is None else (before.state, before.pid)
    if after.state == "running" and (state != "running" or pid != after.pid):
        return Change(Level.OK, f"{after.name} runs as process {after.pid}")
    if after.state in FAILING and state not in FAILING:
        return Change(Level.WARNING, f"{after.name} ended unexpectedly, supervisord has it in state {after.state}")
    if after.state == "fatal" != state:
        return Change(Level.CRITICAL, f"{after.name} failed repeatedly, supervisord has it in state fatal")
    if after.state in ENDED and state not in {*ENDED, ""}:
        return Change(Level.OK, f"{after.name} has ended")
    return None


def hangs(snapshot: Snapshot) -> str:
    """Return what only a restart of everything mends; empty if nothing hangs.

    A broker counts as hanging only if it has published statistics, since a start may read the journal for minutes.
    """
    if snapshot.supervisor_silent_s >= HANGS_S:
        return f"supervisord has not answered for {age(snapshot.supervisor_silent_s)}"
    broker = next((row for row in snapshot.processes if row.name == "broker"), None)
    if broker is None or snapshot.stats is None or snapshot.silent_s < HANGS_S:
        return ""
    if broker.state == "running" and broker.pid == snapshot.stats["broker"]["pid"]:
        return f"the broker, process {broker.pid}, has published no statistics for {age(snapshot.silent_s)}"
    return ""


def broker_starts(snapshot: Snapshot) -> bool:
    """Return whether the broker runs and has published nothing yet."""
    return snapshot.stats is None and any(
        row.name == "broker" and row.state in ("starting", "running") for row in snapshot.processes
    )
