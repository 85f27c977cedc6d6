"""The public face of Hulak: `from hulak import Subscriber, BusClient, NepseClient, DisplayClient, task`.

What is named in `FACE` is imported when it is first used, so that a program loads only what it needs. Each client finds settings
and home by itself, as every command does, unless they are given.

Every entry point comes in here too, and makes sure that `bus`, `workers`, `clients` and `sim` are ours. The names are common
words. Where another package of the same name comes first on the import path, or was installed over ours, the failure would
otherwise appear deep inside, as a missing module; here it is one sentence with the paths.
"""

import importlib
import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bus.errors import BusError, BusTimeout, ConfigError, FeedError, HulakError, ProtocolError, TaskFailed
    from bus.wire.messages import Tick
    from clients.calls.async_client import AsyncBusClient
    from clients.calls.client import BusClient
    from clients.displays.async_client import AsyncDisplayClient
    from clients.displays.client import DisplayClient
    from clients.feed import Feed
    from clients.history import History
    from clients.local import local
    from clients.nepse.async_client import AsyncNepseClient
    from clients.nepse.client import NepseClient
    from clients.subscriber import Subscriber
    from workers.tasks import task

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
FACE = {  # name -> module; what is not here is an error, of `bus.errors`
    "AsyncBusClient": "clients.calls.async_client",
    "AsyncDisplayClient": "clients.displays.async_client",
    "AsyncNepseClient": "clients.nepse.async_client",
    "BusClient": "clients.calls.client",
    "DisplayClient": "clients.displays.client",
    "Feed": "clients.feed",
    "History": "clients.history",
    "NepseClient": "clients.nepse.client",
    "Subscriber": "clients.subscriber",
    "Tick": "bus.wire.messages",
    "local": "clients.local",
    "task": "workers.tasks",
}

PACKAGES = ("bus", "workers", "clients", "sim")
MARK = "\nStart with `"  # in the docstring of each of them


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'hulak' has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(FACE.get(name, "bus.errors")), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def hidden_packages() -> list[str]:
    """Say which of our packages another one hides or has overwritten: one sentence each, empty if none."""
    here = Path(__file__).resolve().parent
    said = []
    for name in PACKAGES:
        spec = importlib.util.find_spec(name)
        wanted = here / name / "__init__.py"
        found = spec.origin if spec is not None else None
        if not wanted.is_file():
            said.append(f"package '{name}': {wanted} is missing: it came with Hulak, and went with another distribution")
        elif found is None or Path(found).resolve() != wanted:
            said.append(f"package '{name}' is found at {found}, Hulak's own is {wanted}: the first one hides ours")
        elif MARK not in wanted.read_text(encoding="utf-8", errors="replace"):
            said.append(f"package '{name}': {wanted} is not Hulak's: another distribution has overwritten it")
    return said


def check_packages() -> None:
    """End the process with exit code 78 (EX_CONFIG) and a sentence if another package hides one of ours."""
    said = hidden_packages()
    if said:
        for line in said:
            print(f"hulak: {line}", file=sys.stderr)  # noqa: T201 - nothing of ours can be imported yet
        print("hulak: install Hulak again, in a virtual environment of its own, or start it elsewhere", file=sys.stderr)  # noqa: T201
        sys.exit(78)


def main() -> None:
    """Run the command line (console script `hulak`)."""
    check_packages()
    from clients.cli import main as command_line  # noqa: PLC0415 - only after the check

    command_line()


if __name__ == "__main__":
    main()
