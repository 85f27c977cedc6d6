"""`hulak alert`: alerts on price, change, spread and silence of symbols, and their firings."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from hulak.bus.errors import BusError, ProtocolError
from hulak.bus.wire.names import ALERT_TOPICS
from hulak.clients.cli import table
from hulak.clients.cli.alert_texts import condition, state_of, way_text
from hulak.clients.cli.command import Call, Command, print_json, subscribe
from hulak.clients.cli.groups import ListingGroup
from hulak.clients.cli.help_text import examples
from hulak.clients.cli.key_times import Duration

HEADS = ["alert", "symbol", "condition", "state", "firings", "last firing", "value", "repeats", "note"]
FIRING_HEADS = ["time", "alert", "symbol", "condition", "value", "limit", "firing", "tick number", "note"]
UNITS = {"pips": "pips", "pip": "pips", "%": "fraction"}
ANSWER_S = 10.0
TOPICS = ALERT_TOPICS.decode()


@click.group(
    cls=ListingGroup,
    short_help="Add, list and remove alerts, and show their firings.",
    epilog=examples("hulak alert add high EURUSD --above 1.10", "hulak alert", "hulak alert watch"),
)
def alert() -> None:
    """Add, list and remove alerts; without a command, list them as `hulak alert ls`.

    The broker keeps them on its disk, at most 5,000. `hulak derive` evaluates them; `hulak up` runs it. An alert that fires is a
    message on the topic alert.NAME.SYMBOL, in the journal and on the page. Hulak runs no command and calls no address for it: a
    program that is to do so subscribes to these topics.
    """


class Spread(click.ParamType[tuple[float, str]]):
    """A spread: a price, 3pips, or a share of the price such as 0.05%."""

    name = "spread"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, str]:
        """Return the number and its unit."""
        if isinstance(value, tuple):
            return value
        for ending, unit in UNITS.items():
            if value.endswith(ending):
                number = self._number(value.removesuffix(ending), value, param, ctx)
                return (number / 100 if ending == "%" else number), unit
        return self._number(value, value, param, ctx), "price"

    def _number(self, text: str, whole: str, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            return float(text)
        except ValueError:
            self.fail(
                f"{whole!r} is no spread; give a price such as 0.0003, pips such as 3pips, or a share such as 0.05%", param, ctx
            )


class Percent(click.ParamType[float]):
    """A number of percent, with or without its sign."""

    name = "percent"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the number."""
        try:
            return float(str(value).removesuffix("%"))
        except ValueError:
            self.fail(f"{value!r} is no number of percent; give one such as 1 or 0.5%", param, ctx)


@alert.command(
    cls=Command,
    short_help="Add an alert.",
    epilog=examples(
        "hulak alert add high EURUSD --above 1.10",
        "hulak alert add move EURUSD --change 1% --window 5m --repeat --cooldown 10m",
        "hulak alert add wide 'EUR*' --spread 3pips",
        "hulak alert add silent kraken.BTCUSD --stale 30s --repeat",
    ),
)
@click.argument("name")
@click.argument("symbol")
@click.option("--above", type=float, help="Fire when the price is at or above this.")
@click.option("--below", type=float, help="Fire when the price is at or below this.")
@click.option("--change", type=Percent(), metavar="PERCENT", help="Fire when the price has moved by this, up or down.")
@click.option(
    "--window",
    type=Duration("1s", "1d"),
    help="Time over which --change counts: 5m, at most 1d; the day by default.",
)
@click.option(
    "--spread", type=Spread(), metavar="SPREAD", help="Fire when the spread is at or above this: 0.0003, 3pips or 0.05%."
)
@click.option(
    "--stale",
    type=Duration("1s", "7d"),
    metavar="TIME",
    help="Fire when no tick has come for this time while the market is open.",
)
@click.option("--side", type=click.Choice(["bid", "ask", "mid", "last"]), help="The price that counts; mid by default.")
@click.option("--repeat", is_flag=True, help="Fire again each time that it is reached; once by default.")
@click.option("--rearm", type=float, help="Distance from the limit before it may fire again, in the limit's unit; 0 by default.")
@click.option("--cooldown", type=Duration("0", "1d"), help="Time after a firing without another one; 0 by default.")
@click.option("--for", "for_", type=Duration(), help="Time after which it ends: 8h; never by default.")
@click.option("--note", default=None, help="Text of at most 200 characters that each firing has.")
def add(call: Call, name: str, symbol: str, **options: Any) -> None:
    """Add alert NAME on SYMBOL: a whole symbol, or its beginning and a star, for each of which it fires by itself.

    It fires when its condition is met by a tick, at once if it is met already. Values of a halted or crossed quote do not count.
    The alert counts within a second; `hulak alert ls` says whether it is evaluated.

    Sends REQUEST hulak.alert.add to the frontend.
    """
    row = call.request("hulak.alert.add", "", {"name": name, "symbol": symbol, **arguments(options, datetime.now(UTC))})
    if call.as_json:
        print_json(shown(row))
    else:
        click.echo(f"alert {row['name']} on {row['symbol']}: {condition(row)}" + ("" if row["new"] else "; it is there already"))


def arguments(options: dict[str, Any], now: datetime) -> dict[str, Any]:
    """Return the arguments of `hulak.alert.add` for the given options.

    Raises:
        click.UsageError: no condition, more than one, or an option that does not go with it.
    """
    given = {name: value for name, value in options.items() if value not in (None, False, "")}
    kinds: list[str] = [name for name in ("change", "spread", "stale") if name in given]
    if "above" in given or "below" in given:
        kinds.append("price")
    if len(kinds) != 1:
        seen = " and ".join("--above or --below" if kind == "price" else f"--{kind}" for kind in kinds) or "none"
        raise click.UsageError(f"conditions are {seen}, must be one of --above, --below, --change, --spread or --stale")
    if "window" in given and "change" not in given:
        raise click.UsageError("--window goes with --change only")
    args: dict[str, Any] = {"on": kinds[0]}
    if "change" in given:
        args |= {"above": given["change"], "below": -given["change"]}
    if "spread" in given:
        args["above"], args["unit"] = given["spread"]
    args |= {
        name: given[name] for name in ("above", "below", "side", "repeat", "rearm", "note") if name in given and name not in args
    }
    seconds = {"window": "window_s", "stale": "after_s", "cooldown": "cooldown_s"}
    args |= {of: given[name] // timedelta(seconds=1) for name, of in seconds.items() if name in given}
    if "for_" in given:
        args["until_ms"] = int((now + given["for_"]).timestamp() * 1000)
    return args


def shown(row: dict[str, Any]) -> dict[str, Any]:
    """Return an alert for JSON: its id as text."""
    return {**row, "id": bytes(row["id"]).hex()}


@alert.command(
    cls=Command, short_help="List alerts, with their last firings.", epilog=examples("hulak alert ls", "hulak alert ls --json")
)
def ls(call: Call) -> None:
    """List alerts by name; a last line says why they are not evaluated, if they are not.

    Sends REQUEST hulak.alert.list to the frontend.
    """
    answer = call.request("hulak.alert.list", "", {})
    if call.as_json:
        print_json({**answer, "alerts": [shown(row) for row in answer["alerts"]]})
        return
    now_ms = datetime.now(UTC).timestamp() * 1000
    table.show(HEADS, [cells(row, now_ms) for row in answer["alerts"]], "there is no alert; `hulak alert add` adds one")
    if not answer["evaluated"] and answer["alerts"]:
        click.echo(f"not evaluated: {answer['why']}", err=True)


def cells(row: dict[str, Any], now_ms: float) -> list[Any]:
    """Return an alert as a row of the table."""
    last = row.get("last") or {}
    return [
        row["name"],
        row["symbol"],
        condition(row),
        state_of(row, now_ms),
        row.get("firings", 0),
        table.moment(last["at"] * 1_000_000) if last else "",
        _value(last.get("value", "")),
        "yes" if row.get("repeat") else "once",
        row.get("note", ""),
    ]


@alert.command(cls=Command, short_help="Show an alert.", epilog=examples("hulak alert show high"))
@click.argument("name")
def show(call: Call, name: str) -> None:
    """Show all values of alert NAME, with its last firing.

    Sends REQUEST hulak.alert.list to the frontend.
    """
    answer = call.request("hulak.alert.list", "", {"name": name})
    row = {**shown(answer["alerts"][0]), "evaluated": answer["evaluated"], "why": answer["why"]}
    if call.as_json:
        print_json(row)
    else:
        table.show_value({"name": row["name"], "condition": condition(row), **row})


@alert.command(cls=Command, short_help="Remove alerts.", epilog=examples("hulak alert rm high move"))
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
def rm(call: Call, names: tuple[str, ...]) -> None:
    """Remove alerts; their firings stay in the journal.

    Sends REQUEST hulak.alert.remove to the frontend.
    """
    for name in names:
        call.request("hulak.alert.remove", "", {"name": name})
        if not call.as_json:
            click.echo(f"removed {name}")
    if call.as_json:
        print_json(list(names))


def _enable(call: Call, name: str, *, enabled: bool) -> None:
    row = call.request("hulak.alert.enable", "", {"name": name, "enabled": enabled})
    if call.as_json:
        print_json(shown(row))
    else:
        click.echo(f"alert {name} is {'on' if enabled else 'off'}")


@alert.command(cls=Command, short_help="Let an alert be evaluated again.", epilog=examples("hulak alert on high"))
@click.argument("name")
def on(call: Call, name: str) -> None:
    """Let alert NAME be evaluated again. An alert without --repeat that has fired stays so.

    Sends REQUEST hulak.alert.enable to the frontend.
    """
    _enable(call, name, enabled=True)


@alert.command(cls=Command, short_help="Stop the evaluation of an alert.", epilog=examples("hulak alert off high"))
@click.argument("name")
def off(call: Call, name: str) -> None:
    """Do not evaluate alert NAME until `hulak alert on`.

    Sends REQUEST hulak.alert.enable to the frontend.
    """
    _enable(call, name, enabled=False)


@alert.command(
    cls=Command, short_help="Print alerts as they fire.", epilog=examples("hulak alert watch", "hulak alert watch high --json")
)
@click.argument("name", required=False)
def watch(call: Call, name: str | None) -> None:
    """Print each alert that fires, or those of alert NAME, until Ctrl-C.

    Subscribes to alert. or alert.NAME.
    """
    call.wait_for_broker()
    with subscribe(call.settings, call.home, _topic(name), timeout_s=call.timeout_s) as subscriber:
        while True:
            event = subscriber.poll(1.0)
            if event is None or not event.topic.startswith(TOPICS):
                continue
            try:
                body = event.body
            except ProtocolError:
                continue
            if call.as_json:
                print_json(body)
            elif isinstance(body, dict):
                click.echo(firing_text(body))


def _topic(name: str | None) -> str:
    return TOPICS if name is None else f"{TOPICS}{name}."


@alert.command(
    cls=Command,
    short_help="List the firings in the journal.",
    epilog=examples("hulak alert history", "hulak alert history high --since 8h"),
)
@click.argument("name", required=False)
@click.option("--since", type=Duration(), help="How far to look back: 8h, 7d; as far as the journal goes by default.")
def history(call: Call, name: str | None, since: timedelta | None) -> None:
    """List what has fired, or the firings of alert NAME, the oldest first.

    Sends REQUEST hulak.replay to the frontend; if nothing of NAME has fired, also hulak.alert.list.
    """
    rows = list(_firings(call, name, since))
    if name is not None and not rows:
        call.request("hulak.alert.list", "", {"name": name})  # refuses an unknown one
    if call.as_json:
        print_json(rows)
    else:
        table.show(FIRING_HEADS, [firing_cells(body) for body in rows], "no alert has fired in this time")


def _firings(call: Call, name: str | None, since: timedelta | None) -> Iterator[dict[str, Any]]:
    from hulak.clients.history import History

    since_ns = None if since is None else int((datetime.now(UTC) - since).timestamp() * 1e9)
    with call.client() as client:
        try:
            for event in History(client, _topic(name), since_ns=since_ns, timeout_s=call.timeout_s or ANSWER_S):
                if isinstance(event.body, dict):
                    yield event.body
        except BusError as error:
            if error.code != "UNKNOWN_TOPIC":  # nothing has fired yet
                raise


def _value(value: Any) -> Any:
    """Return a middle of two prices without the noise of its last digits."""
    return float(f"{value:.15g}") if isinstance(value, float) else value


def firing_text(body: dict[str, Any]) -> str:
    """Return a firing as a line: "... high EURUSD: price above 1.1, value 1.1001; firing 1, tick number 4711"."""
    *_, fired, number, note = cells = firing_cells(body)
    time, name, symbol, way, value, limit, *_ = map(table.text, cells)
    counts = [f"{what} {table.text(count)}" for what, count in (("firing", fired), ("tick number", number)) if count != ""]
    parts = [", ".join(counts), table.text(note) if note else ""]
    return "; ".join([f"{time} {name} {symbol}: {way} {limit}, value {value}", *filter(None, parts)])


def firing_cells(body: dict[str, Any]) -> list[Any]:
    """Return a firing as a row of the table; any feed with the role may post there, so that values may be missing."""
    at = body.get("at")
    time = table.moment(at * 1_000_000, "milliseconds") if type(at) is int else ""
    keys = ("value", "limit", "fired", "number", "note")
    return [time, body.get("alert", ""), body.get("symbol", ""), way_text(body), *(_value(body.get(key, "")) for key in keys)]
