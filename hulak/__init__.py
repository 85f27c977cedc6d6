"""The public face of Hulak: `from hulak import Subscriber, BusClient, NepseClient, DisplayClient, task`.

A name of `FACE` is imported at its first use, so that a program loads only the modules that it needs. Each client finds settings
and home itself, as every command does, unless they are given.

In a checkout, `bus`, `workers`, `clients`, `sim` and `etc` lie at the top level; the links of this folder make them one package.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hulak.bus.errors import (
        BusError,
        BusTimeout,
        ConfigError,
        FeedError,
        Forbidden,
        HandshakeFailed,
        HulakError,
        ProtocolError,
        TaskFailed,
    )
    from hulak.bus.wire.messages import Tick
    from hulak.clients.calls.async_client import AsyncBusClient
    from hulak.clients.calls.client import BusClient
    from hulak.clients.displays.async_client import AsyncDisplayClient
    from hulak.clients.displays.client import DisplayClient
    from hulak.clients.feed import Feed
    from hulak.clients.history import History
    from hulak.clients.local import local
    from hulak.clients.nepse.async_client import AsyncNepseClient
    from hulak.clients.nepse.client import NepseClient
    from hulak.clients.own_topics import AsyncPublisher, Publisher
    from hulak.clients.subscriber import Subscriber
    from hulak.workers.tasks import task

__all__ = [
    "AsyncBusClient",
    "AsyncDisplayClient",
    "AsyncNepseClient",
    "AsyncPublisher",
    "BusClient",
    "BusError",
    "BusTimeout",
    "ConfigError",
    "DisplayClient",
    "Feed",
    "FeedError",
    "Forbidden",
    "HandshakeFailed",
    "History",
    "HulakError",
    "NepseClient",
    "ProtocolError",
    "Publisher",
    "Subscriber",
    "TaskFailed",
    "Tick",
    "local",
    "task",
]
FACE = {  # name -> module; all other names are errors of `hulak.bus.errors`
    "AsyncBusClient": "hulak.clients.calls.async_client",
    "AsyncDisplayClient": "hulak.clients.displays.async_client",
    "AsyncNepseClient": "hulak.clients.nepse.async_client",
    "AsyncPublisher": "hulak.clients.own_topics",
    "BusClient": "hulak.clients.calls.client",
    "DisplayClient": "hulak.clients.displays.client",
    "Feed": "hulak.clients.feed",
    "History": "hulak.clients.history",
    "NepseClient": "hulak.clients.nepse.client",
    "Publisher": "hulak.clients.own_topics",
    "Subscriber": "hulak.clients.subscriber",
    "Tick": "hulak.bus.wire.messages",
    "local": "hulak.clients.local",
    "task": "hulak.workers.tasks",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'hulak' has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(FACE.get(name, "hulak.bus.errors")), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def main() -> None:
    """Run the command line (console script `hulak`)."""
    try:
        from hulak.clients.cli import main as command_line  # noqa: PLC0415 - loaded on demand

        command_line()
    except KeyboardInterrupt:  # during the imports: afterwards click handles it
        raise SystemExit(130) from None
