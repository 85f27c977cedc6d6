"""The services that the broker itself answers: `hulak.*`, PROTOCOL.md section 7. Pure."""

from collections.abc import Callable
from itertools import islice
from typing import Any

from bus.core import control_requests
from bus.core.broker_state import BrokerState
from bus.core.control_arguments import Arguments
from bus.core.effects import Effect, LogLine
from bus.errors import ProtocolError
from bus.wire import names
from bus.wire.names import AUTO, PROTOCOL
from bus.wire.replay_range import prefix_of

MOST_LAST = 10_000  # messages in one answer of `hulak.last`
ControlAnswer = tuple[Any, list[Effect]]


def ping(bus: BrokerState, now: float, args: control_requests.NoArguments, shell: dict[str, Any]) -> ControlAnswer:
    """Tell that the broker is there, and which one."""
    del args
    uptime_s = round(now - bus.started, 3)
    return {
        "epoch": bus.epoch,
        "version": bus.version,
        "protocol": PROTOCOL,
        "uptime_s": uptime_s,
        **shell.get("process", {}),
        "home": shell.get("home", ""),
    }, []


def stats(bus: BrokerState, now: float, args: control_requests.NoArguments, shell: dict[str, Any]) -> ControlAnswer:
    """Tell everything the broker knows of itself."""
    del args
    return bus.stats(now, shell), []


def feed(bus: BrokerState, now: float, args: control_requests.FeedArguments, shell: dict[str, Any]) -> ControlAnswer:
    """Open a feed's instance, and tell how far it was taken and journalled."""
    del shell
    source = bus.intake.open(args.instance, args.oldest, now)
    refused = {"refused": source.refused, "refusals": dict(source.refusals)}
    return {"taken": source.last, "safe": source.safe, "epoch": bus.epoch, **refused}, []


def last(bus: BrokerState, now: float, args: control_requests.LastArguments, shell: dict[str, Any]) -> ControlAnswer:
    """Give the last message of a topic, or of all topics under a prefix, as they were published."""
    del now, shell
    found = (log.frame for log in bus.topics.under(prefix_of(args.topic)) if log.frame)
    return list(islice(found, MOST_LAST)), []


def report(bus: BrokerState, now: float, args: control_requests.ReportArguments, shell: dict[str, Any]) -> ControlAnswer:
    """Take what a process tells about itself, or that it leaves."""
    del shell
    if args.leaving:
        bus.reports.leave(args.kind, args.name, args.pid)
    elif not bus.reports.take(now, args.kind, args.name, args.pid, args.values):
        raise ProtocolError("BUSY", "too many processes report, no more are kept")
    return {}, []


def retire(bus: BrokerState, now: float, args: control_requests.RetireArguments, shell: dict[str, Any]) -> ControlAnswer:
    """Ask a worker to finish what it holds and to leave."""
    del now, shell
    effects = bus.dispatcher.retire(args.worker, args.reason)
    if not effects:
        known = ", ".join(sorted(worker.name for worker in bus.dispatcher.roster)) or "none"
        raise ProtocolError("UNKNOWN_WORKER", f"worker {args.worker!r} is not known; known are {known}")
    return {"worker": args.worker}, effects


def scale(bus: BrokerState, now: float, args: control_requests.ScaleArguments, shell: dict[str, Any]) -> ControlAnswer:
    """Set by hand how many workers a service has, or leave it to the scaler again."""
    del now, shell
    service, workers = args.service, args.workers
    if service not in names.SCALED_SERVICES:
        known = ", ".join(names.SCALED_SERVICES)
        raise ProtocolError("BAD_ARGUMENT", f"argument service is {service!r}, must be one that is scaled: {known}")
    if workers == AUTO:
        bus.targets.pop(service, None)
    else:
        least, most = bus.limits.min_workers, bus.limits.max_workers
        if not least <= workers <= most:
            allowed = f"{AUTO!r} or a number from {least} to {most} ([scaling] min_workers, max_workers)"
            raise ProtocolError("BAD_ARGUMENT", f"argument workers is {workers!r}, must be {allowed}")
        bus.targets[service] = workers
    return {"service": service, "workers": workers}, [LogLine("scale target set", {"service": service, "workers": workers})]


HANDLERS: dict[str, Callable[[BrokerState, float, Any, dict[str, Any]], ControlAnswer]] = {
    "hulak.ping": ping,
    "hulak.stats": stats,
    "hulak.feed": feed,
    "hulak.last": last,
    "hulak.report": report,
    "hulak.retire": retire,
    "hulak.scale": scale,
}


def answer(bus: BrokerState, now: float, service: str, args: Arguments, shell: dict[str, Any]) -> ControlAnswer:
    """Carry out a control request that needs neither the disk nor time.

    Args:
        bus: the state it is about.
        now: monotonic seconds.
        service: one of `HANDLERS`.
        args: of the request, as `requests.arguments_of` gives them.
        shell: what only the shell knows, as for `BrokerState.stats`.
    Returns:
        the value to reply with, and effects.
    Raises:
        ProtocolError: `BAD_ARGUMENT`, `UNKNOWN_WORKER` or `BUSY`.
    """
    return HANDLERS[service](bus, now, args, shell)
