"""`hulak nepse archive` and `hulak nepse archiver`: the sessions of the exchange as files."""

import signal
import sys
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hulak.bus.errors import BusError, BusTimeout, ConfigError, HulakError
from hulak.bus.wire.names import NEPSE_SERVICE
from hulak.clients.cli import missing_worker
from hulak.clients.cli.command import BAD_SETTING, FAILED, NO_ANSWER, Call, Command, print_json
from hulak.clients.cli.help_text import examples
from hulak.clients.nepse.archive.outcomes import Kind, Outcome, State, count
from hulak.clients.printable import printable

if TYPE_CHECKING:
    from hulak.clients.calls.client import BusClient
    from hulak.clients.nepse.archive.archive import Ask

MISSING = 4  # exit code: something is missing for good
LOW = 2  # priority: other tasks go first
CSV_ONLY = "only CSV files are written: Parquet files need pyarrow (pip install 'hulak[parquet]')"
DIR = click.Path(path_type=Path, file_okay=False)
DIR_HELP = "Folder of the files; [archive] folder or HOME/archive by default."
DAY = click.DateTime(["%Y-%m-%d"])


def _kinds(ctx: click.Context, param: click.Parameter, value: str | None) -> Sequence[Kind]:
    known = [kind.value for kind in Kind]
    given = known if value is None else [word.strip() for word in value.split(",")]
    if unknown := [word for word in given if word not in known]:
        raise click.BadParameter(f"{', '.join(map(repr, unknown))} must be of {', '.join(known)}", ctx, param)
    return [kind for kind in Kind if kind in given]


def _folder(call: Call, into: Path | None) -> Path:
    if into is not None:
        return into.expanduser().absolute()
    folder = call.settings.archive.folder or Path("archive")
    return call.home / folder.expanduser()  # a relative one is below the home, wherever the process runs


def _ask(client: "BusClient", timeout_s: float) -> "Ask":
    def ask(action: str, args: Mapping[str, Any]) -> Any:
        return client.call(NEPSE_SERVICE, action, args, timeout_s=timeout_s, share=True, priority=LOW)

    return ask


@click.command(
    cls=Command,
    short_help="Write sessions of the exchange to files.",
    timeout_help="Seconds to wait for each reply, all attempts included; [task] timeout_s by default.",
    epilog=examples(
        "hulak nepse archive",
        "hulak nepse archive --day 2026-04-24 --kinds today-price,indices --into ./nepse",
        "hulak nepse archive --since 2026-04-01 --json",
    ),
)
@click.option("--day", type=DAY, metavar="DATE", help="This session only.")
@click.option("--since", type=DAY, metavar="DATE", help="The sessions since this day.")
@click.option("--until", type=DAY, metavar="DATE", help="With --since: until this day; the last session by default.")
@click.option("--into", type=DIR, metavar="DIR", help=DIR_HELP)
@click.option("--kinds", callback=_kinds, metavar="LIST", help=f"Kinds, separated by commas; all by default: {', '.join(Kind)}.")
@click.pass_context
def archive(
    ctx: click.Context,
    call: Call,
    day: datetime | None,
    since: datetime | None,
    until: datetime | None,
    into: Path | None,
    kinds: Sequence[Kind],
) -> None:
    """Write the prices, the indices and the complete floor sheet of a session, the last one by default, to files.

    The files are DIR/KIND/DATE.csv, and DATE.parquet if pyarrow is installed. A file is there when it is whole: its rows are
    counted, and compared with the exchange's totals. A finished file is not requested again, and a run that was cut goes on with
    the next page. The exchange has the prices and indices of about 227 sessions, and the floor sheet of the last one only: the
    command says what is missing for good. Sends REQUEST nepse with low priority, a page a task, so that other tasks are not held
    up.

    Exit codes: 0 all sessions are in files, 1 something failed or its session is not over: run it again, 3 no broker or no reply
    in time: likewise, 4 nothing failed, but something is missing for good.
    """
    from hulak.clients.calls.client import BusClient
    from hulak.clients.nepse.archive.archive import Archive

    first, last = _span(day, since, until)
    call.wait_for_broker()
    shown = Shown(call.as_json)
    outcomes: list[Outcome] = []
    failure: HulakError | None = None
    timeout_s = call.timeout_s or call.settings.task.timeout_s
    with BusClient(call.settings, call.home) as client, missing_worker.noticed(call, NEPSE_SERVICE, timeout_s):
        ask = _ask(client, timeout_s)
        with Archive(_folder(call, into), ask, shown.progress) as folder:
            if not folder.parquet and not call.as_json:
                click.echo(CSV_ONLY, err=True)
            try:
                for outcome in folder.run(first, last, kinds):
                    outcomes.append(outcome)
                    shown.outcome(outcome)
            except BusError as error:
                failure = error
            except OSError as error:
                text = f"{error.filename} cannot be written: {error.strerror}; make room, or choose another folder with --into"
                failure = ConfigError(text)
            shown.end(outcomes, folder.folder, failure, parquet=folder.parquet)
    if failure is not None and not call.as_json:
        raise failure
    ctx.exit(_code(outcomes, failure))


def _span(day: datetime | None, since: datetime | None, until: datetime | None) -> tuple[date | None, date | None]:
    if day is not None and (since is not None or until is not None):
        raise click.UsageError("--day excludes --since and --until; give one or the others")
    if until is not None and since is None:
        raise click.UsageError("--until needs --since")
    if since is not None and until is not None and until < since:
        raise click.UsageError(f"--until is {until:%Y-%m-%d}, must not be before --since, which is {since:%Y-%m-%d}")
    first, last = (day, day) if day is not None else (since, until)
    return first and first.date(), last and last.date()


def _code(outcomes: Sequence[Outcome], failure: HulakError | None) -> int:
    counts = count(outcomes)
    if failure is not None:
        return NO_ANSWER if isinstance(failure, BusTimeout) else BAD_SETTING if isinstance(failure, ConfigError) else FAILED
    if counts[State.FAILED] or counts[State.LATER]:
        return FAILED
    return MISSING if counts[State.GONE] else 0


class Shown:
    """The output of a run: on a terminal its progress, then a line for each outcome; or all as JSON at its end."""

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json
        self._live = sys.stderr.isatty()
        self._width = 0  # of the line of progress
        self._like: list[Outcome] = []  # the last outcomes of each kind that have one line together

    def progress(self, day: date, kind: Kind, rows: int, total: int | None) -> None:
        """Overwrite the line of progress."""
        if self._live:
            text = f"{day} {kind}: {rows:,}" + ("" if total is None else f" of {total:,}")
            click.echo(f"\r{text:<{self._width}}", err=True, nl=False)
            self._width = len(text)

    def _clear(self) -> None:
        if self._width:
            click.echo(f"\r{'':<{self._width}}\r", err=True, nl=False)
            self._width = 0

    def outcome(self, outcome: Outcome) -> None:
        """Print an outcome; equal outcomes of many days are printed together at the end."""
        self._clear()
        if self._as_json:
            return
        if outcome.state in {State.PRESENT, State.GONE} and outcome.kind is not None:
            self._like.append(outcome)
        else:
            click.echo(line(outcome))

    def end(self, outcomes: Sequence[Outcome], folder: Path, failure: HulakError | None, *, parquet: bool) -> None:
        """Print the rest, and the counts."""
        self._clear()
        counts = count(outcomes)
        if self._as_json:
            code = failure.code if isinstance(failure, BusError) else "CONFIG"
            error = {} if failure is None else {"error": {"code": code, "text": str(failure)}}
            rows = [outcome.as_json() for outcome in outcomes]
            print_json({"folder": str(folder), "parquet": parquet, "counts": counts, "outcomes": rows, **error})
            return
        for same in together(self._like):
            click.echo(line(same))
        words = {state: WORDS.get(state, state.value) for state in State}
        numbers = ", ".join(f"{counts[state]} {words[state]}" for state in State if counts[state])
        if numbers or failure is None:
            click.echo(f"{printable(str(folder))}: {numbers or 'no session'}")


def together(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Return one outcome for all with the same kind, state and reason, over their days."""
    groups: dict[tuple[Kind | None, State, str], list[Outcome]] = {}
    for outcome in outcomes:
        groups.setdefault((outcome.kind, outcome.state, outcome.why), []).append(outcome)
    merged = []
    for (kind, state, why), group in groups.items():
        days = len(group)
        more = why if days == 1 else f"{days} sessions" + (f", {why}" if why else "")
        first, last = min(row.day for row in group), max(row.until for row in group)
        merged.append(Outcome(first, last, kind, state, more, group[0].code))
    return merged


WORDS = {State.GONE: "missing for good", State.LATER: "not yet", State.PRESENT: "there already"}


def line(outcome: Outcome) -> str:
    """Return an outcome as a line: "2026-04-24 floor-sheet archived, 90,000 rows in floor-sheet/2026-04-24.csv and .parquet"."""
    span = str(outcome.day) if outcome.day == outcome.until else f"{outcome.day} to {outcome.until}"
    words = [span, *([outcome.kind.value] if outcome.kind else []), WORDS.get(outcome.state, outcome.state.value)]
    files = ""
    if outcome.files and outcome.rows is not None:
        first = outcome.files[0]
        place = " and ".join([f"{first.parent.name}/{first.name}", *(path.suffix for path in outcome.files[1:])])
        files = f", {outcome.rows:,} rows in {place}"
    why = f": {outcome.why}" if outcome.why else ""
    notes = f" ({'; '.join(outcome.notes)})" if outcome.notes else ""
    return printable(" ".join(words) + files + why + notes)


@click.command(
    cls=Command,
    daemon=True,
    short_help="Write each session to files after its close.",
    epilog=examples("hulak nepse archiver", "hulak nepse archiver --into ./nepse"),
)
@click.option("--into", type=DIR, metavar="DIR", help=DIR_HELP)
def archiver(call: Call, into: Path | None) -> None:
    """Do `hulak nepse archive` 15 minutes after the close of each session, until SIGTERM or Ctrl-C.

    It asks the exchange for its state at the hours at which it may open, on every day that is no listed holiday, and while it is
    open. After a failure it tries again after 5 minutes, and then later each time, up to an hour. After a pause it also archives
    the sessions since the newest one in the folder. With `[archive] daily = true`, `hulak up` runs it.
    """
    from hulak.bus.process import lifecycle, log
    from hulak.clients.calls.client import BusClient
    from hulak.clients.nepse.archive.daily import DailyArchive

    lifecycle.make_home(call.home)
    lifecycle.end_with_supervisor()
    for number in lifecycle.stop_signals():
        signal.signal(number, lambda *_: sys.exit(0))
    logger = log.set_up(call.settings.log, process="archiver")
    folder = _folder(call, into)
    with lifecycle.only_one(call.home / "run" / "archiver.lock", "an archiver"), BusClient(call.settings, call.home) as client:
        logger.info("archiver started", folder=str(folder))
        DailyArchive(folder, _ask(client, call.settings.task.timeout_s), logger).run()
