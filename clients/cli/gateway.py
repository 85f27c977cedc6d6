"""`hulak gateway`: the HTTP and WebSocket gateway."""

import click

from hulak.clients.cli.command import Call, Command
from hulak.clients.cli.help_text import examples


@click.command(
    cls=Command,
    daemon=True,
    short_help="Run the gateway for browsers and monitoring.",
    epilog=examples("hulak gateway", "hulak gateway --port 8080"),
)
@click.option("--port", type=click.IntRange(1, 65535), help="TCP port to listen on; [gateway] port by default.")
def gateway(call: Call, port: int | None) -> None:
    """Run the gateway: the page, the WebSocket for displays, ticks and statistics, /metrics, /healthz and /readyz on one port.

    It subscribes to display. (states), displays, stats, config and, while a client subscribes to ticks, ticks; it forwards the
    commands of clients as REQUEST hulak.config.set, hulak.display.create and hulak.display.remove. The variable
    HULAK_GATEWAY__TOKEN has the token that clients must send.
    """
    from msgspec.structs import replace

    from hulak.clients.gateway.process import run_gateway

    settings = call.settings
    if port is not None:
        settings = replace(settings, gateway=replace(settings.gateway, port=port))
    run_gateway(settings, call.home)
