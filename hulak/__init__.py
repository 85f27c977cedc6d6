"""The public face of Hulak: `from hulak import Subscriber, BusClient, NepseClient, DisplayClient, task`.

A name of `FACE` is imported at its first use, so that a program loads only the modules that it needs. Each client finds settings
and home itself, as every command does, unless they are given.

Every entry point is here too, and checks that `bus`, `workers`, `clients` and `sim` are Hulak's packages. The names are common
words. If another package of the same name precedes one of them on the import path, or was installed over it, the failure would
otherwise be a missing module in a deep import; here it is one sentence with the paths.
"""

import importlib
import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hulak.bus.errors import BusError, BusTimeout, ConfigError, FeedError, HulakError, ProtocolError, TaskFailed
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
    from hulak.clients.subscriber import Subscriber
    from hulak.workers.tasks import task

__all__ = [
    "AsyncBusClient",
    "AsyncDisplayClient",
    "AsyncNepseClient",
    "BusClient",
    "BusError",
    "BusTimeout",
    "ConfigError",
    "DisplayClient",
    "Feed",
    "FeedError",
    "History",
    "HulakError",
    "NepseClient",
    "ProtocolError",
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
    "BusClient": "hulak.clients.calls.client",
    "DisplayClient": "hulak.clients.displays.client",
    "Feed": "hulak.clients.feed",
    "History": "hulak.clients.history",
    "NepseClient": "hulak.clients.nepse.client",
    "Subscriber": "hulak.clients.subscriber",
    "Tick": "hulak.bus.wire.messages",
    "local": "hulak.clients.local",
    "task": "hulak.workers.tasks",
}

PACKAGES = ("bus", "workers", "clients", "sim")
MARK = "\nStart with `"  # in the docstring of each of them


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'hulak' has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(FACE.get(name, "hulak.bus.errors")), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def hidden_packages() -> list[str]:
    """Return a sentence for each of Hulak's packages that another one hides or has overwritten."""
    here = Path(__file__).resolve().parent
    problems = []
    for name in PACKAGES:
        spec = importlib.util.find_spec(name)
        wanted = here / name / "__init__.py"
        origin = spec.origin if spec is not None else None
        if not wanted.is_file():
            problems.append(f"package '{name}': {wanted} is missing: another distribution has removed it")
        elif origin is None or Path(origin).resolve() != wanted:
            problems.append(f"package '{name}' is imported from {origin}, which hides Hulak's package at {wanted}")
        elif MARK not in wanted.read_text(encoding="utf-8", errors="replace"):
            problems.append(f"package '{name}': {wanted} is not Hulak's: another distribution has overwritten it")
    return problems


def check_packages() -> None:
    """Exit with 78 (EX_CONFIG) and a sentence if another package hides one of Hulak's."""
    problems = hidden_packages()
    if problems:
        for problem in problems:
            print(f"hulak: {problem}", file=sys.stderr)  # noqa: T201 - no package of Hulak is safe to import yet
        print("hulak: install Hulak again, in a separate virtual environment, or start it in another folder", file=sys.stderr)  # noqa: T201
        sys.exit(78)


def main() -> None:
    """Run the command line (console script `hulak`)."""
    check_packages()
    from hulak.clients.cli import main as command_line  # noqa: PLC0415 - only after the check

    command_line()


if __name__ == "__main__":
    main()
