"""The options and the error handling of every command: --json, --timeout, --home, --config.

A command is declared with `cls=Command`; its function gets a `Call` as its first argument. A `HulakError` that it raises becomes
one sentence on standard error, or with --json an object `{"error": {"code", "text"}}` on standard output, and an exit code.
"""

import atexit
import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hulak.bus.errors import AlreadyRuns, BusError, BusTimeout, ConfigError, HulakError, ProtocolError
from hulak.bus.process.home import default_home
from hulak.clients.json_text import to_json
from hulak.clients.printable import printable

if TYPE_CHECKING:
    from hulak.bus.process.settings import Settings
    from hulak.clients.calls.client import BusClient
    from hulak.clients.subscriber import Subscriber

FAILED, NO_ANSWER, BAD_SETTING = 1, 3, 78
HOME_HELP = "Folder for all files that Hulak writes; HULAK_HOME, that of the service, or ~/.local/state/hulak by default."
CONTEXT = "hulak.context"  # in the meta data of click: the value of --context
BROKER_S = 5.0  # seconds a command waits for a broker, unless --timeout is less
RETRY_S = 0.05  # between two attempts to find the broker's address


class NoBroker(BusTimeout):
    """No process listens at the broker's address in the settings."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.code = "NO_BROKER"


class BrokerSilent(BusTimeout):
    """A process listens at the broker's address and does not reply."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.code = "BROKER_SILENT"


class OtherHome(HulakError):
    """The broker at the address in the settings belongs to another home than the given one."""

    def __init__(self, home: Path, other: str) -> None:
        super().__init__(
            f"home {home} has no broker; the broker that answers is of home {other}: "
            f"give --home {other}, or start one for this home with `hulak up`"
        )


@dataclass
class Call:
    """One run of a command: the values of the options that all commands share."""

    home: Path  # absolute
    file: Path | None  # the settings file; None: the default one
    as_json: bool
    timeout_s: float | None  # None: the command's default
    named: bool = False  # the home was given, by --home, HULAK_HOME or a context
    context: str = ""  # name of the context in use; empty: none
    _checked: bool = False  # the broker was asked for its home

    @cached_property
    def settings(self) -> "Settings":
        """Settings, read and checked at first use. Raises `ConfigError`."""
        from hulak.bus.process import load_settings

        return load_settings.load(self.home, self.file)

    def wait_for_broker(self, name: str = "frontend", within_s: float = BROKER_S) -> None:
        """Wait until a process listens at one of the broker's addresses.

        Args:
            name: of the address.
            within_s: seconds; --timeout, if it is given, makes them fewer.
        Raises:
            NoBroker: none did within these.
            HandshakeFailed: a broker is there, and it and this command do not accept each other's keys.
        """
        from hulak.bus.process import endpoints

        limit_s = min(self.timeout_s or within_s, within_s)
        deadline = time.monotonic() + limit_s
        while (where := endpoints.find(self.settings, self.home, name)) is None:
            if time.monotonic() + RETRY_S > deadline:
                at = endpoints.expected(self.settings, self.home, name)
                raise NoBroker(f"no broker answers at {at} within {limit_s:g} s; start one with `hulak up` or `hulak broker`")
            time.sleep(RETRY_S)
        if self.named and not self._checked and not where.is_local and where.key is None:
            self._checked = True
            self._refuse_other_home(limit_s)

    def _refuse_other_home(self, limit_s: float) -> None:
        """Check that the broker at the address belongs to the home that was given.

        Raises:
            OtherHome: it belongs to another one.
        """
        from hulak.clients.calls.client import BusClient

        with contextlib.suppress(BusError), BusClient(self.settings, self.home) as client:
            home = client.submit("hulak.ping", timeout_s=limit_s).result(limit_s).get("home")
            if home and Path(home).resolve() != self.home.resolve():
                raise OtherHome(self.home, home)

    def client(self, within_s: float = BROKER_S) -> "BusClient":
        """Connect to the broker; a context manager. Raises `NoBroker`, see `wait_for_broker`."""
        from hulak.bus.process import tracing
        from hulak.clients.calls.client import BusClient

        tracing.export(self.settings, "hulak-cli")
        self.wait_for_broker(within_s=within_s)
        return BusClient(self.settings, self.home)

    def request(self, service: str, action: str = "", args: dict[str, Any] | None = None, *, timeout_s: float = BROKER_S) -> Any:
        """Send one request and return the reply; --timeout overrides `timeout_s`. Raises as `BusClient.call`."""
        with self.client() as client:
            return client.call(service, action, args, timeout_s=self.timeout_s or timeout_s)


def subscribe(
    settings: "Settings", home: Path, *topics: str, timeout_s: float | None = None, past: dict[str, Any] | None = None
) -> "Subscriber":
    """Connect a subscriber; a context manager. Raises `BusTimeout` if no broker answers within `timeout_s` seconds.

    Args:
        settings, home, topics, timeout_s: as for `Subscriber`.
        past: its arguments for a beginning in the past, with the name of its position.
    """
    from hulak.clients.subscriber import Subscriber

    if past:
        return Subscriber(*topics, settings=settings, home=home, timeout_s=timeout_s, **past)
    context = click.get_current_context(silent=True)
    name = f"hulak-{context.info_name}" if context is not None else None
    return Subscriber(*topics, settings=settings, home=home, timeout_s=timeout_s, name=name)


class Topic(click.ParamType[str]):
    """A topic or a prefix of topics; a symbol in it may be written with its slash."""

    name = "topic"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the topic."""
        del param, ctx
        if "/" not in value:
            return str(value)
        from hulak.clients.feeds.symbol_keys import typed_topic

        return typed_topic(value)


class Command(click.Command):
    """A command with the shared options.

    Args:
        timeout_help: help of --timeout; by default that of a command with one reply.
        daemon: the command runs until a signal or --timeout stops it; --json makes its log lines JSON.
        any_context: it uses the broker of the context; False: it uses no broker.
    """

    def __init__(
        self, *args: Any, timeout_help: str = "", daemon: bool = False, any_context: bool = True, **options: Any
    ) -> None:
        super().__init__(*args, **options)
        self.daemon, self.any_context = daemon, any_context
        json_help = "Write log lines and errors as JSON." if daemon else "Print the result and errors as JSON."
        if daemon:
            timeout_help = "Seconds to run before an orderly stop; no limit by default."
        elif not timeout_help:
            timeout_help = f"Seconds to wait for the reply; {BROKER_S:g} by default."
        above_0 = click.FloatRange(min=0, min_open=True)
        folder, file = click.Path(file_okay=False, path_type=Path), click.Path(path_type=Path)
        self.params += [
            click.Option(["--json", "as_json"], is_flag=True, help=json_help),
            click.Option(["--timeout", "timeout_s"], type=above_0, metavar="SECONDS", help=timeout_help),
            click.Option(["--home"], type=folder, metavar="DIR", help=HOME_HELP),
            click.Option(
                ["--config"], type=file, metavar="FILE", help="Settings file; HULAK_CONFIG or HOME/hulak.toml by default."
            ),
        ]

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Parse the arguments; with --json, print a usage error as JSON."""
        as_json = "--json" in args
        try:
            ctx = super().make_context(info_name, args, parent, **extra)
            _refuse_bytes(ctx)
        except click.UsageError as error:
            error = _with_suggestion(error)
            if not as_json:
                raise error from None
            print_json({"error": {"code": "USAGE", "text": error.format_message()}})
            sys.exit(error.exit_code)
        return ctx

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command's function with the `Call` and its options; exit with a code if it fails."""
        options = dict(ctx.params)
        home, file = options.pop("home"), options.pop("config")
        as_json, timeout_s = options.pop("as_json"), options.pop("timeout_s")
        try:
            context = _apply_context(ctx.meta.get(CONTEXT), home) if self.any_context else ""
        except ConfigError as error:
            ctx.exit(self.fail(Call(_home(home), file, as_json, timeout_s), error))
        named = home is not None or bool(os.environ.get("HULAK_HOME"))
        call = Call(_home(home), file, as_json, timeout_s, named, context)
        assert self.callback is not None
        try:
            if self.daemon:
                _prepare_daemon(call)
            return ctx.invoke(self.callback, call, **options)
        except HulakError as error:
            from hulak.clients.cli import nearest, option_names

            option_names.put_into(error, ctx)
            ctx.exit(self.fail(call, error, nearest.of_error(call, error, _texts(tuple(options.values())))))
        except OSError as error:
            if error.filename is None:  # no file is involved
                raise
            hint = "check its permissions and its disk"
            if Path(os.fsdecode(error.filename)).absolute().is_relative_to(call.home):
                hint += ", or choose another home with --home"
            ctx.exit(self.fail(call, ConfigError(f"{error.filename} cannot be used: {error.strerror}; {hint}")))

    def fail(self, call: Call, error: HulakError, near: str = "") -> int:
        """Print the error with the nearest name; return the exit code."""
        return report(call, error, near)


def _apply_context(option: str | None, home: Path | None) -> str:
    """Apply the context that counts; return its name, empty without one. Raises `ConfigError`."""
    if home is not None:
        if option:
            raise click.UsageError("--home and --context exclude each other; give one of them")
        return ""
    from hulak.clients.cli import contexts

    path = contexts.file_path(os.environ)
    if not (option or os.environ.get(contexts.VARIABLE) or path.exists()):
        return ""
    name, context = contexts.chosen(contexts.read(path), option, os.environ)
    if context is not None:
        contexts.apply(contexts.variables(context), os.environ, by_option=option is not None)
    return name


def _with_suggestion(error: click.UsageError) -> click.UsageError:
    """Return a usage error with the nearest choice, if a value is not among its choices."""
    from hulak.clients.cli import nearest

    near = nearest.of_choice(error.message) if isinstance(error, click.BadParameter) else ""
    if not near or not isinstance(error, click.BadParameter):
        return error
    return click.BadParameter(error.message.removesuffix(".") + near, error.ctx, error.param, error.param_hint)


def _home(given: Path | None) -> Path:
    if given is None:
        return default_home().absolute()
    return given.absolute()


def _refuse_bytes(ctx: click.Context) -> None:
    """Reject arguments that are not UTF-8; paths may have any bytes."""
    for parameter in ctx.command.params:
        for text in _texts(ctx.params.get(parameter.name or "")):
            if not text.isascii() and any("\udc80" <= char <= "\udcff" for char in text):
                raise click.BadParameter(f"{os.fsencode(text)!r} is not UTF-8", ctx, parameter)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, tuple | list):
        for item in value:
            yield from _texts(item)


def _prepare_daemon(call: Call) -> None:
    if call.file is not None:
        os.environ["HULAK_CONFIG"] = str(call.file.absolute())  # for a reload
    if call.as_json:
        os.environ["HULAK_LOG__FORMAT"] = "json"
    if call.timeout_s is not None:
        # Until the daemon installs its handler there is nothing to clean up.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGTERM))
        signal.setitimer(signal.ITIMER_REAL, call.timeout_s)
        atexit.register(signal.setitimer, signal.ITIMER_REAL, 0)  # the handler is gone while Python exits


def report(call: Call, error: HulakError, hint: str = "", more: Mapping[str, Any] | None = None) -> int:
    """Print the error and a hint as one sentence or as JSON; return the exit code.

    Args:
        call: the run of the command.
        error: to print.
        hint: follows the error.
        more: further values beside `error` in the JSON.
    Returns:
        1 refused or failed, 3 no broker or no reply in time, 78 invalid setting.
    """
    code, text, status = "FAILED", str(error) + hint, FAILED
    if isinstance(error, BusError | ProtocolError):
        code = error.code
    elif isinstance(error, AlreadyRuns):
        code = "ALREADY_RUNS"
    if isinstance(error, BusTimeout):
        status = NO_ANSWER
        if error.code == "TIMEOUT" and "`" not in text:  # the error itself has no advice
            text += "; `hulak status` shows the processes"
    elif isinstance(error, ConfigError):
        code, status = "CONFIG", BAD_SETTING
    if call.context:
        text += f" (context {call.context})"
    if call.as_json:
        print_json({"error": {"code": code, "text": text}, **(more or {})})
    else:
        click.echo(f"hulak: {printable(text)}", err=True)
    return status


def print_json(value: Any) -> None:
    """Print one value as JSON on one line; bytes as hex."""
    click.echo(to_json(value))
