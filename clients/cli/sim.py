"""`hulak sim`: the simulated outside world, for the demo and for trying things out."""

import signal
from pathlib import Path
from typing import cast

import click

from bus.errors import ConfigError
from clients.cli.command import Call, Command
from clients.cli.feed import parse_speed


def _in_use(setting: str, port: int, error: OSError) -> ConfigError:
    return ConfigError(f"setting {setting} = {port} cannot be bound: {error}; choose another with --port")


@click.group(short_help="Play the outside world.")
def sim() -> None:
    """Play the outside world: a venue that ticks, and the exchange's web server.

    \b
    hulak sim venue
    hulak sim nepse
    """


@sim.command(cls=Command, daemon=True, short_help="Run a venue on a WebSocket.")
@click.option("--port", type=click.IntRange(1, 65535), help="To listen on. Default: [sim] venue_port.")
@click.option("--file", "recorded", type=click.Path(path_type=Path), help="Play this recording to each client instead.")
@click.option("--speed", default="1", help="Of --file: 1 as it was, 10 ten times as fast, max without waiting. Default: 1.")
def venue(call: Call, port: int | None, recorded: Path | None, speed: str) -> None:
    """Run a venue on a WebSocket, with a lively market of 28 currency pairs or a recording.

    Paths: /ws/!bookTicker and /stream?streams=!bookTicker speak Binance's form, /json the plain one, /fx the FX
    backend's. Nothing of it is on the bus: `hulak feed` brings it there.

    \b
    hulak sim venue
    hulak feed --url ws://127.0.0.1:5560/ws/!bookTicker
    """
    from bus.process import lifecycle, log
    from sim.fx_market import Market
    from sim.recording import load_recording
    from sim.venue import run_venue

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


@sim.command(cls=Command, daemon=True, short_help="Run the exchange's web server.")
@click.option("--port", type=click.IntRange(1, 65535), help="To listen on. Default: [sim] nepse_port.")
@click.option("--hours", type=click.Choice(["open", "closed", "clock"]), default="open", help="Of trading. Default: open.")
@click.option("--token-life", type=click.FloatRange(min=0.1), default=60.0, help="Seconds a token is taken. Default: 60.")
@click.option("--delay", type=click.FloatRange(min=0), default=0.0, help="Seconds each answer is held back. Default: 0.")
@click.option("--clock-ahead", type=float, default=0.0, help="Seconds the exchange's clock is ahead. Default: 0.")
@click.option("--limit", type=click.IntRange(min=0), default=0, help="Requests a second of each session. Default: 0, any.")
@click.option("--mishaps", type=click.FloatRange(0, 1), default=0.0, help="Share of requests that go wrong. Default: 0.")
def nepse(
    call: Call, port: int | None, hours: str, token_life: float, delay: float, clock_ahead: float, limit: int, mishaps: float
) -> None:
    """Run a web server that behaves as the exchange's does: tokens, body ids, data of its own making.

    What goes wrong with --mishaps: 429, 403 in HTML, 500, 503, no body, HTML instead of JSON, resets, silence, lost sessions.

    Nothing of it is on the bus: a nepse worker asks it when [nepse] base_url names it.

    \b
    hulak sim nepse
    hulak sim nepse --hours clock --token-life 5 --clock-ahead 86400
    hulak sim nepse --limit 2 --mishaps 0.2
    HULAK_NEPSE__BASE_URL=http://127.0.0.1:5561 hulak worker nepse
    """
    from bus.process import lifecycle, log
    from sim.nepse.exchange import Hours
    from sim.nepse.server import run, serve

    settings = call.settings.sim
    number = port or settings.nepse_port
    logger = log.set_up(call.settings.log, process="sim-nepse")
    lifecycle.end_with_supervisor()
    try:
        server = serve(
            settings.host,
            number,
            seed=settings.seed,
            hours=cast("Hours", hours),
            token_lifetime_s=token_life,
            delay_s=delay,
            clock_offset_s=clock_ahead,
            limit=limit,
            mishap_share=mishaps,
        )
    except OSError as error:
        raise _in_use("sim.nepse_port", number, error) from error
    for one in (signal.SIGTERM, signal.SIGINT):
        signal.signal(one, lambda *_: server.stop())
    run(server, ready=lambda: logger.info("exchange started", url=server.url))
    logger.info("exchange stopped", answers=sum(server.counts.values()))
