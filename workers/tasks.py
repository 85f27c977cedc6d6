"""`@task`: any function of your module as an action of a service, run by `hulak worker SERVICE --module MODULE`.

    from hulak.workers.tasks import task

    @task("sums", "add")
    def add(a, b):
        return a + b

A caller's arguments are the function's keyword arguments; its return value must consist of msgpack values. A generator function
sends each yielded value as a part of the answer. Raise `bus.errors.TaskFailed` for a failure; its `retryable` allows another
attempt.
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

REGISTERED: dict[str, dict[str, Action]] = {}  # service -> action -> its function


def task(service: str, action: str) -> Callable[[Function], Function]:
    """Register a function as an action of a service; the function itself is unchanged.

    Args:
        service: name of the service.
        action: name of the action within it.
    Raises:
        ConfigError: a name is empty, the service is the broker's, or the service already has this action.
    """
    if not service or not action or service.startswith(("hulak.", "mmi.")):
        raise ConfigError(
            f"@task({service!r}, {action!r}): service and action must not be empty, and the service not one of the broker's"
        )

    def register(function: Function) -> Function:
        actions = REGISTERED.setdefault(service, {})
        if action in actions:
            raise ConfigError(f"@task({service!r}, {action!r}) is registered twice")
        actions[action] = _bound(action, function)
        return function

    return register


def _bound(action: str, function: Callable[..., Any]) -> Action:
    signature = inspect.signature(function)

    @functools.wraps(function)
    def carry_out(args: Mapping[str, Any]) -> Any:
        try:
            return function(**args)
        except TypeError:  # checked only now: `bind` costs more than a short task
            try:
                signature.bind(**args)
            except TypeError as error:
                raise TaskFailed("BAD_ARGUMENT", f"{action}{signature}: {error}") from error
            raise

    return carry_out


def load(module: str, service: str) -> Mapping[str, Action]:
    """Import the user's module, and return its actions of a service.

    It is searched on Python's path and then in the current folder, so after this package.

    Raises:
        ConfigError: it cannot be imported, or has no action of this service.
    """
    if str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))
    try:
        importlib.import_module(module)
    except ImportError as error:
        raise ConfigError(f"module {module!r} cannot be imported: {error}; {Path.cwd()} was searched too") from error
    actions = REGISTERED.get(service)
    if not actions:
        known = ", ".join(sorted(REGISTERED)) or "none"
        raise ConfigError(f"module {module!r} has no @task of service {service!r}; services with tasks: {known}")
    return actions
