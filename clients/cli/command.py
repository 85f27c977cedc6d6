"""What every command has: --json, --timeout, --home, --config, and one way to fail.

A command is declared with `cls=Command`; its function gets a `Call` first. Whatever it raises of `HulakError` becomes one
sentence on standard error, or with --json an object `{"error": {"code", "text"}}` on standard output, and an exit code.
"""

import atexit
import contextlib
import json
import math
import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bus.errors import BusError, BusTimeout, ConfigError, HulakError, ProtocolError

if TYPE_CHECKING:
    from bus.process.settings import Settings
    from clients.calls.client import BusClient
    from clients.subscriber import Subscriber

FAILED, NO_ANSWER, BAD_SETTING = 1, 3, 78
HOME_HELP = "Folder of everything written. Default: HULAK_HOME, else ~/.local/state/hulak."
BROKER_S = 5.0  # seconds a command waits for a broker to be there, if --timeout does not say less
LOOK_AGAIN_S = 0.05


class NoBroker(BusTimeout):
    """Nobody listens where the settings say that the broker does."""

    def __init__(self, where: str, waited_s: float) -> None:
        super().__init__(f"no broker answers at {where} within {waited_s:g} s; start one with `hulak up` or `hulak broker`")
        self.code = "NO_BROKER"


@dataclass
class Call:
    """One run of a command: what the options that all commands share have said."""

    home: Path  # absolute
    file: Path | None  # the settings file, if one was named
    as_json: bool
    timeout_s: float | None  # None: the command's own default
    named: bool = False  # somebody named the home
    _told: bool = False  # whose broker answers

    @cached_property
    def settings(self) -> "Settings":
        """The settings, read and checked at first use. Raises `ConfigError`."""
        from bus.process import load_settings

        return load_settings.load(self.home, self.file)

    def wait_for_broker(self, name: str = "frontend") -> None:
        """Wait until somebody listens at one of the broker's addresses.

        Raises:
            NoBroker: nobody did, for `BROKER_S` or the time given.
        """
        from bus.process import sockets

        waits_s = min(self.timeout_s or BROKER_S, BROKER_S)
        deadline = time.monotonic() + waits_s
        while (where := sockets.endpoint(self.settings.broker, self.home, name)) is None:
            if time.monotonic() + LOOK_AGAIN_S > deadline:
                raise NoBroker(getattr(self.settings.broker, name), waits_s)
            time.sleep(LOOK_AGAIN_S)
        if self.named and not self._told and not where.startswith("ipc:"):
            self._told = True
            self._tell_whose(waits_s)

    def _tell_whose(self, limit_s: float) -> None:
        """Say that the broker which listens at the address is another home's, if it is."""
        from clients.calls.client import BusClient

        with contextlib.suppress(BusError), BusClient(self.settings, self.home) as client:
            home = client.call("hulak.ping", timeout_s=limit_s).get("home")
            if home and Path(home).resolve() != self.home.resolve():
                click.echo(f"hulak: home {self.home} has no broker; this is the one of home {home}", err=True)

    def client(self) -> "BusClient":
        """Connect to the broker; a context manager. Raises `NoBroker`."""
        from clients.calls.client import BusClient

        self.wait_for_broker()
        return BusClient(self.settings, self.home)

    def ask(self, service: str, action: str = "", args: dict[str, Any] | None = None, *, timeout_s: float = BROKER_S) -> Any:
        """Make one call and return its answer; --timeout goes before `timeout_s`. Raises as `BusClient.call`."""
        with self.client() as client:
            return client.call(service, action, args, timeout_s=self.timeout_s or timeout_s)


def subscribe(settings: "Settings", home: Path, *topics: str, timeout_s: float | None = None) -> "Subscriber":
    """Connect a subscriber; a context manager. Raises `BusTimeout` if there is no broker in `timeout_s` seconds."""
    from clients.subscriber import Subscriber

    return Subscriber(*topics, settings=settings, home=home, timeout_s=timeout_s)


class Command(click.Command):
    """A command with the options that all share.

    Args:
        timeout_help: what --timeout means here.
        daemon: it runs until it is stopped: --timeout stops it, as a signal does, and --json makes its log lines JSON.
    """

    def __init__(self, *args: Any, timeout_help: str = "", daemon: bool = False, **options: Any) -> None:
        super().__init__(*args, **options)
        self.daemon = daemon
        json_help = "Log lines and errors as JSON." if daemon else "Answer and errors as JSON."
        if daemon:
            timeout_help = "End in good order after so long. Default: run until a signal."
        elif not timeout_help:
            timeout_help = f"How long to wait for the answer. Default: {BROKER_S:g}."
        above_0 = click.FloatRange(min=0, min_open=True)
        folder, file = click.Path(file_okay=False, path_type=Path), click.Path(path_type=Path)
        self.params += [
            click.Option(["--json", "as_json"], is_flag=True, help=json_help),
            click.Option(["--timeout", "timeout_s"], type=above_0, metavar="SECONDS", help=timeout_help),
            click.Option(["--home"], type=folder, metavar="DIR", help=HOME_HELP),
            click.Option(["--config"], type=file, metavar="FILE", help="Settings file. Default: HULAK_CONFIG."),
        ]

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Parse; a wrong usage is told as JSON where --json was given."""
        as_json = "--json" in args
        try:
            ctx = super().make_context(info_name, args, parent, **extra)
            _refuse_bytes(ctx)
        except click.UsageError as error:
            if not as_json:
                raise
            print_json({"error": {"code": "USAGE", "text": error.format_message()}})
            sys.exit(error.exit_code)
        return ctx

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command's function with the `Call` and its own options; end with an exit code if it fails."""
        given = dict(ctx.params)
        home, file = given.pop("home"), given.pop("config")
        named = home is not None or bool(os.environ.get("HULAK_HOME"))
        call = Call(_home(home), file, given.pop("as_json"), given.pop("timeout_s"), named)
        assert self.callback is not None
        try:
            if self.daemon:
                _prepare_daemon(call)
            return ctx.invoke(self.callback, call, **given)
        except HulakError as error:
            ctx.exit(report(call, error))
        except OSError as error:
            if error.filename is None:  # not of a file
                raise
            hint = "see to its permissions and its disk, or choose another home with --home"
            ctx.exit(report(call, ConfigError(f"{error.filename} cannot be used: {error.strerror}; {hint}")))


def _home(given: Path | None) -> Path:
    if given is None and not os.environ.get("HULAK_HOME"):
        state = (
            os.environ.get("XDG_STATE_HOME") or "~/.local/state"
        )  # as bus.process.load_settings.default_home, which imports much
        return Path(state).expanduser() / "hulak"
    return (given or Path(os.environ["HULAK_HOME"])).absolute()


def _refuse_bytes(ctx: click.Context) -> None:
    """Refuse arguments whose bytes are no UTF-8; those of files and folders may be any."""
    for one in ctx.command.params:
        for text in _texts(ctx.params.get(one.name or "")):
            if not text.isascii() and any("\udc80" <= char <= "\udcff" for char in text):
                raise click.BadParameter(f"{os.fsencode(text)!r} is not UTF-8", ctx, one)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, tuple | list):
        for one in value:
            yield from _texts(one)


def _prepare_daemon(call: Call) -> None:
    if call.as_json:
        os.environ["HULAK_LOG__FORMAT"] = "json"
    if call.timeout_s is not None:
        # Until the daemon has a handler of its own there is nothing to put in order.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGTERM))
        signal.setitimer(signal.ITIMER_REAL, call.timeout_s)
        atexit.register(signal.setitimer, signal.ITIMER_REAL, 0)  # while Python ends there is no handler any more


def report(call: Call, error: HulakError) -> int:
    """Say in one sentence what failed, where and what to do; return the exit code.

    Returns:
        1 refused or failed, 3 no broker or no answer in time, 78 a setting that is not allowed.
    """
    code, text, status = "FAILED", str(error), FAILED
    if isinstance(error, BusError | ProtocolError):
        code = error.code
    if isinstance(error, BusTimeout):
        status = NO_ANSWER
        if error.code == "TIMEOUT" and "no broker" not in text:
            text += "; `hulak status` shows who is there"
    elif isinstance(error, ConfigError):
        code, status = "CONFIG", BAD_SETTING
    if call.as_json:
        print_json({"error": {"code": code, "text": text}})
    else:
        click.echo(f"hulak: {text}", err=True)
    return status


def print_json(value: Any) -> None:
    """Print one value as JSON on one line; bytes as hex."""
    click.echo(to_json(value))


def to_json(value: Any) -> str:
    """Write one value as JSON on one line; what JSON has not as the nearest that it has.

    Bytes as hex, keys that are no text as text, numbers that are none or infinite as null, anything else as its text. Whole
    numbers stay as they are, beyond 2^53 too.
    """
    how: dict[str, Any] = {"default": _plain, "ensure_ascii": False, "separators": (",", ":")}
    try:
        return json.dumps(value, allow_nan=False, **how)
    except (TypeError, ValueError):  # a key that is no text, a number that is none: looked at only now, since it takes long
        return json.dumps(_valid(value), **how)


def _valid(value: Any) -> Any:
    if isinstance(value, dict):
        return {_key(key): _valid(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_valid(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _key(key: Any) -> str:
    if isinstance(key, str):
        return key
    return json.dumps(key) if key is None or isinstance(key, bool | int | float) else str(_plain(key))


def _plain(value: Any) -> Any:
    return bytes(value).hex() if isinstance(value, bytes | bytearray) else str(value)
