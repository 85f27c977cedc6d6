"""`@task`: any function of yours as an action of a service, carried out by `hulak worker SERVICE --module YOURS`.

    from hulak.workers.tasks import task

    @task("sums", "add")
    def add(a, b):
        return a + b

A caller's arguments are the function's keyword arguments; what it returns must be msgpack values. A function that yields sends
each value as a part of the answer. `bus.errors.TaskFailed` says that it cannot be done, and whether another attempt may help.
"""

import functools
import importlib
import inspect
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from hulak.bus.errors import ConfigError, TaskFailed

Function = TypeVar("Function", bound=Callable[..., Any])
Action = Callable[[Mapping[str, Any]], Any]

REGISTERED: dict[str, dict[str, Action]] = {}  # service -> action -> what carries it out


def task(service: str, action: str) -> Callable[[Function], Function]:
    """Make a function an action of a service; the function itself stays as it is.

    Args:
        service: name of the service.
        action: name of the action within it.
    Raises:
        ConfigError: the names are empty or the broker's own, or the service has such an action already.
    """
    if not service or not action or service.startswith(("hulak.", "mmi.")):
        raise ConfigError(f"@task({service!r}, {action!r}): service and action must be names, and not the broker's own")

    def register(function: Function) -> Function:
        actions = REGISTERED.setdefault(service, {})
        if action in actions:
            raise ConfigError(f"@task({service!r}, {action!r}) is there twice")
        actions[action] = _bound(action, function)
        return function

    return register


def _bound(action: str, function: Callable[..., Any]) -> Action:
    signature = inspect.signature(function)

    @functools.wraps(function)
    def carry_out(args: Mapping[str, Any]) -> Any:
        try:
            return function(**args)
        except TypeError:  # looked at only now: it costs more than a short task
            try:
                signature.bind(**args)
            except TypeError as error:
                raise TaskFailed("BAD_ARGUMENT", f"{action}{signature}: {error}") from error
            raise

    return carry_out


def load(module: str, service: str) -> Mapping[str, Action]:
    """Import a module of the user's, and return the actions it has for a service.

    It is looked up where Python looks and then in the current folder, so behind our own packages.

    Raises:
        ConfigError: it cannot be imported, or has none for this service.
    """
    if str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))
    try:
        importlib.import_module(module)
    except ImportError as error:
        raise ConfigError(f"module {module!r} cannot be imported: {error}; looked in {Path.cwd()} too") from error
    actions = REGISTERED.get(service)
    if not actions:
        known = ", ".join(sorted(REGISTERED)) or "none"
        raise ConfigError(f"module {module!r} has no @task of service {service!r}; services with tasks: {known}")
    return actions
