"""The services that the broker itself answers: `hulak.*`, PROTOCOL.md section 7. Pure."""

from collections.abc import Callable, Mapping
from typing import Any

from bus.core import scaling
from bus.core.bus import AUTO, PROTOCOL, Bus
from bus.core.effects import Effect, Note
from bus.errors import ProtocolError
from bus.frames import NUL

PREFIX = "hulak."
MOST_LAST = 10_000  # messages in one answer of `hulak.last`
Answer = tuple[Any, list[Effect]]


def _field(args: Mapping[str, Any], name: str, kind: type, lowest: int | None = None) -> Any:
    value = args.get(name)
    fits = isinstance(value, kind) and isinstance(value, bool) == (kind is bool) and (lowest is None or value >= lowest)  # type: ignore[operator]
    if not fits:
        least = "" if lowest is None else f" of at least {lowest}"
        raise ProtocolError("BAD_ARGUMENT", f"argument {name} is {value!r}, must be {kind.__name__}{least}")
    return value


def ping(bus: Bus, now: float, args: Mapping[str, Any], shell: dict[str, Any]) -> Answer:
    """Tell that the broker is there, and which one."""
    del args
    uptime_s = round(now - bus.started, 3)
    return {
        "epoch": bus.epoch,
        "version": bus.version,
        "protocol": PROTOCOL,
        "uptime_s": uptime_s,
        **shell.get("process", {}),
    }, []


def stats(bus: Bus, now: float, args: Mapping[str, Any], shell: dict[str, Any]) -> Answer:
    """Tell everything the broker knows of itself."""
    del args
    return bus.stats(now, shell), []


def feed(bus: Bus, now: float, args: Mapping[str, Any], shell: dict[str, Any]) -> Answer:
    """Open a feed's instance, and tell how far it was taken and journalled."""
    del shell
    instance = _field(args, "instance", int, 1)
    oldest = _field(args, "oldest", int, 1)
    if instance >= 1 << 64 or oldest >= 1 << 64:
        raise ProtocolError("BAD_ARGUMENT", "arguments instance and oldest must fit in 64 bits")
    source = bus.intake.open(instance, oldest, now)
    return {"taken": source.last, "safe": source.safe, "epoch": bus.epoch}, []


def last(bus: Bus, now: float, args: Mapping[str, Any], shell: dict[str, Any]) -> Answer:
    """Give the last message of a topic, or of all topics under a prefix, as they were published."""
    del now, shell
    topic = _field(args, "topic", str).encode("ascii", "replace")
    prefix = topic.removesuffix(b"*") if topic.endswith((b".", b"*")) or not topic else topic + NUL
    logs = bus.topics.logs
    return [log.frame for key, log in logs.items() if log.sequence and key.startswith(prefix)][:MOST_LAST], []


def report(bus: Bus, now: float, args: Mapping[str, Any], shell: dict[str, Any]) -> Answer:
    """Take what a process tells about itself, or that it leaves."""
    del shell
    kind, name = _field(args, "kind", str), _field(args, "name", str)
    pid, values = _field(args, "pid", int, 1), _field(args, "values", dict)
    if _field({"leaving": False, **args}, "leaving", bool):
        bus.reports.leave(kind[:64], name[:64], pid)
        return {}, []
    if not bus.reports.take(now, kind[:64], name[:64], pid, values):
        raise ProtocolError("BUSY", "too many processes report, no more are kept")
    return {}, []


def retire(bus: Bus, now: float, args: Mapping[str, Any], shell: dict[str, Any]) -> Answer:
    """Ask a worker to finish what it holds and to leave."""
    del now, shell
    name = _field(args, "worker", str)
    reason = _field({"reason": "an operator asked for it", **args}, "reason", str)[:120]
    effects = bus.dispatcher.retire(name, reason)
    if not effects:
        known = ", ".join(sorted(worker.name for worker in bus.dispatcher.roster)) or "none"
        raise ProtocolError("UNKNOWN_WORKER", f"worker {name!r} is not known; known are {known}")
    return {"worker": name}, effects


def scale(bus: Bus, now: float, args: Mapping[str, Any], shell: dict[str, Any]) -> Answer:
    """Set by hand how many workers a service has, or leave it to the scaler again."""
    del now, shell
    service, workers = _field(args, "service", str), args.get("workers")
    if service not in scaling.SERVICES:
        known = ", ".join(scaling.SERVICES)
        raise ProtocolError("BAD_ARGUMENT", f"argument service is {service!r}, must be one that is scaled: {known}")
    if workers == AUTO:
        bus.targets.pop(service, None)
    else:
        least, most = bus.limits.min_workers, bus.limits.max_workers
        if not isinstance(workers, int) or isinstance(workers, bool) or not least <= workers <= most:
            allowed = f"{AUTO!r} or a number from {least} to {most} ([scaling] min_workers, max_workers)"
            raise ProtocolError("BAD_ARGUMENT", f"argument workers is {workers!r}, must be {allowed}")
        bus.targets[service] = workers
    return {"service": service, "workers": workers}, [Note("scale target set", {"service": service, "workers": workers})]


SERVICES: dict[str, Callable[[Bus, float, Mapping[str, Any], dict[str, Any]], Answer]] = {
    "hulak.ping": ping,
    "hulak.stats": stats,
    "hulak.feed": feed,
    "hulak.last": last,
    "hulak.report": report,
    "hulak.retire": retire,
    "hulak.scale": scale,
}


def answer(bus: Bus, now: float, service: str, args: Mapping[str, Any], shell: dict[str, Any]) -> Answer:
    """Carry out a control request.

    Args:
        bus: the state it is about.
        now: monotonic seconds.
        service: the whole name, `hulak.` included.
        args: of the request.
        shell: what only the shell knows, as for `Bus.stats`.
    Returns:
        the value to reply with, and effects.
    Raises:
        ProtocolError: `UNKNOWN_SERVICE`, `BAD_ARGUMENT`, `UNKNOWN_WORKER` or `BUSY`.
    """
    handler = SERVICES.get(service)
    if handler is None:
        raise ProtocolError("UNKNOWN_SERVICE", f"service {service!r} is unknown; control services are {', '.join(SERVICES)}")
    return handler(bus, now, args, shell)
