"""`hulak sim`: the simulated venue and the simulated exchange, for the demo and for tests."""

import signal
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from hulak.bus.errors import ConfigError
from hulak.clients.cli.command import Call, Command
from hulak.clients.cli.feed import parse_speed
from hulak.clients.cli.groups import Group
from hulak.clients.cli.help_text import examples

if TYPE_CHECKING:
    import ssl


def _in_use(setting: str, port: int, error: OSError) -> ConfigError:
    return ConfigError(f"setting {setting} = {port} cannot be bound: {error}; choose another port with --port")


def _tls(folder: Path, chain: str, host: str) -> "ssl.SSLContext":
    from hulak.sim.nepse.tls import Chain, NoTrustme, make_context

    try:
        return make_context(folder, cast("Chain", chain), host, "localhost")
    except NoTrustme as error:
        raise ConfigError(f"--tls: {error}") from error
    except OSError as error:
        raise ConfigError(f"--tls: the certificates cannot be written: {error}; choose another home with --home") from error


@click.group(cls=Group, short_help="Run the simulators.", epilog=examples("hulak sim venue", "hulak sim nepse"))
def sim() -> None:
    """Run a simulator: a venue that sends ticks, or the web server of the exchange."""


@sim.command(
    cls=Command,
    daemon=True,
    short_help="Run a simulated venue on a WebSocket.",
    epilog=examples("hulak sim venue", "hulak feed --url ws://127.0.0.1:5560/ws/!bookTicker"),
)
@click.option("--port", type=click.IntRange(1, 65535), help="TCP port to listen on; [sim] venue_port by default.")
@click.option("--file", "recorded", type=click.Path(path_type=Path), help="Recording to send to each client instead of a market.")
@click.option(
    "--speed", default="1", help="Speed of --file: 1 is real time, 10 is ten times as fast, max does not wait; 1 by default."
)
def venue(call: Call, port: int | None, recorded: Path | None, speed: str) -> None:
    """Run a venue on a WebSocket, with a simulated market of 28 currency pairs or a recording.

    Paths: /ws/!bookTicker and /stream?streams=!bookTicker have Binance's format, /json the plain format, /fx the protocol of the
    FX backend; /okx, /bybit, /bitget, /hyperliquid, /deribit and /ctrader have those of these venues. The venue does not publish
    on the bus: `hulak feed` does.
    """
    from hulak.bus.process import lifecycle, log
    from hulak.sim.fx_market import Market
    from hulak.sim.recording import load_recording
    from hulak.sim.venue import run_venue

    settings = call.settings.sim
    number = port or settings.venue_port
    source = (
        Market(settings.seed, settings.ticks_per_s) if recorded is None else load_recording(recorded, speed=parse_speed(speed))
    )
    logger = log.set_up(call.settings.log, process="sim-venue")
    lifecycle.end_with_supervisor()
    try:
        run_venue(settings.host, number, source, on_ready=lambda at: logger.info("venue started", host=settings.host, port=at))
    except OSError as error:
        raise _in_use("sim.venue_port", number, error) from error
    logger.info("venue stopped")


@sim.command(
    cls=Command,
    daemon=True,
    short_help="Run the simulated web server of the exchange.",
    epilog=examples(
        "hulak sim nepse",
        "hulak sim nepse --hours clock --token-life 5 --clock-ahead 86400",
        "hulak sim nepse --limit 2 --mishaps 0.2 --burst 4",
        "hulak sim nepse --tls leaf-only",
        "HULAK_NEPSE__BASE_URL=http://127.0.0.1:5561 hulak worker nepse",
    ),
)
@click.option("--port", type=click.IntRange(1, 65535), help="TCP port to listen on; [sim] nepse_port by default.")
@click.option(
    "--hours",
    type=click.Choice(["open", "closed", "clock"]),
    default="open",
    help="Trading hours: always open, always closed, or those of the clock in Nepal; open by default.",
)
@click.option("--token-life", type=click.FloatRange(min=0.1), default=60.0, help="Seconds that a token is valid; 60 by default.")
@click.option("--delay", type=click.FloatRange(min=0), default=0.0, help="Seconds of delay before each response; 0 by default.")
@click.option("--clock-ahead", type=float, default=0.0, help="Seconds that the exchange's clock is ahead; 0 by default.")
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    default=0,
    help="Maximum requests per second of each session, or 0 for no limit; 0 by default.",
)
@click.option(
    "--burst",
    type=click.IntRange(min=0),
    default=0,
    help="Maximum requests at the same time, or 0 for no limit; the connections of further ones are closed. 0 by default.",
)
@click.option(
    "--mishaps", type=click.FloatRange(0, 1), default=0.0, help="Share of requests with an injected fault; 0 by default."
)
@click.option("--market-id", type=click.IntRange(0, 99), default=80, help="Market id, of which body ids are made; 80 by default.")
@click.option(
    "--contracts", type=click.IntRange(1, 500_000), default=8640, help="Contracts of a day's floor sheet; 8640 by default."
)
@click.option(
    "--tls",
    type=click.Choice(["leaf-only", "chain"]),
    help="Serve HTTPS: leaf-only does not send the intermediate certificate, like the exchange; chain does. HTTP by default.",
)
def nepse(
    call: Call,
    port: int | None,
    hours: str,
    token_life: float,
    delay: float,
    clock_ahead: float,
    limit: int,
    burst: int,
    mishaps: float,
    market_id: int,
    contracts: int,
    tls: str | None,
) -> None:
    """Run a web server that behaves like that of the exchange: tokens, body ids and simulated data.

    Faults of --mishaps: 429, 403 in HTML, 500, 503, no body, HTML instead of JSON, resets, slow responses, lost sessions.

    The server does not use the bus: set [nepse] base_url to its address, and NEPSE workers send their requests to it. With --tls,
    [nepse] ca_file must be a file with the intermediate and the root certificate; the log has its path.
    """
    from hulak.bus.process import lifecycle, log
    from hulak.sim.nepse.exchange import Hours
    from hulak.sim.nepse.server import run, serve
    from hulak.sim.nepse.tls import TRUSTED

    settings = call.settings.sim
    number = port or settings.nepse_port
    logger = log.set_up(call.settings.log, process="sim-nepse")
    lifecycle.end_with_supervisor()
    certificates = call.home / "sim-nepse-tls"
    context = _tls(certificates, tls, settings.host) if tls else None
    try:
        server = serve(
            settings.host,
            number,
            seed=settings.seed,
            hours=cast("Hours", hours),
            token_lifetime_s=token_life,
            delay_s=delay,
            clock_offset_s=clock_ahead,
            market_id=market_id,
            trades_per_day=contracts,
            limit=limit,
            burst=burst,
            tls=context,
            fault_share=mishaps,
        )
    except OSError as error:
        raise _in_use("sim.nepse_port", number, error) from error
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: server.stop())
    files = {"ca_file": str(certificates / TRUSTED)} if tls else {}
    run(server, ready=lambda: logger.info("exchange started", url=server.url, **files))
    logger.info("exchange stopped", answers=sum(server.counts.values()))
