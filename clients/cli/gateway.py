"""`hulak gateway`: the edge for browsers and monitoring."""

import click

from clients.cli.command import Call, Command


@click.command(cls=Command, daemon=True, short_help="Run the gateway for browsers and monitoring.")
@click.option("--port", type=click.IntRange(1, 65535), help="To listen on. Default: [gateway] port.")
def gateway(call: Call, port: int | None) -> None:
    """Run the gateway: the page, WebSockets of displays, ticks and statistics, /metrics, /healthz and /readyz on one port.

    It subscribes to display. (states), displays, stats, config and, while somebody wants ticks, ticks; commands of clients go
    out as REQUEST hulak.config.set, hulak.display.create and hulak.display.remove. A token is taken from the variable
    HULAK_GATEWAY__TOKEN.

    \b
    hulak gateway
    curl http://127.0.0.1:5570/readyz
    """
    from msgspec.structs import replace

    from clients.gateway.process import run_gateway

    settings = call.settings
    if port is not None:
        settings = replace(settings, gateway=replace(settings.gateway, port=port))
    run_gateway(settings, call.home)
