"""The role that each request needs: the rule of a control service names the one that a key lacks. PROTOCOL.md section 14.3. Pure.

A rule gets the rights of a key and the request's arguments, and returns the role that is missing; empty if none is. The owner of
the broker connects by ipc, and is never asked.
"""

from collections.abc import Callable
from typing import Any

from hulak.bus.core.alerts.alert_requests import AlertArguments
from hulak.bus.core.control_requests import (
    BeatArguments,
    CallsArguments,
    FeedArguments,
    LastArguments,
    PostArguments,
    ReplayArguments,
    ReportArguments,
    TasksArguments,
    range_of,
)
from hulak.bus.core.schedules.schedule_requests import ScheduleArguments
from hulak.bus.wire.codec import NUL
from hulak.bus.wire.names import DISPLAY_SERVICE, NEPSE_SERVICE, OWNED_BY_DISPLAYS, TICK_TOPICS, TICKS
from hulak.bus.wire.own_names import topic_of
from hulak.bus.wire.replay_range import prefix_of
from hulak.bus.wire.roles import CONTROL, FEED, READ, READER_TOPICS, STAR, SUBMIT, SUBSCRIBE, WORK, Rights

Need = Callable[[Rights, Any], str]
FEEDS_KIND, OTHER_WORKERS_KIND = "feed", "worker"  # kinds of processes, as in `bus.live_config.keys.KINDS`
SERVICES_WITH_KIND = (NEPSE_SERVICE, DISPLAY_SERVICE)  # the kind of their workers has the service's name


def any_key(rights: Rights, args: Any) -> str:
    """Every authorised key may."""
    del rights, args
    return ""


def reader(rights: Rights, args: Any) -> str:
    """`read` or `control`."""
    del args
    return "" if rights.may_read else READ


def controller(rights: Rights, args: Any) -> str:
    """`control`."""
    del args
    return "" if rights.may_control else CONTROL


def reporter(rights: Rights, args: ReportArguments | BeatArguments) -> str:
    """The role of a process of this kind: `feed`, `work` of the worker's service; of all other kinds `read`."""
    if args.kind == FEEDS_KIND:
        return feeder(rights, args)
    if args.kind == OTHER_WORKERS_KIND:
        return "" if rights.may_work_some else f"{WORK}:..."
    return works(rights, args.kind) if args.kind in SERVICES_WITH_KIND else reader(rights, args)


def feeder(rights: Rights, args: Any) -> str:
    """Any `feed`."""
    del args
    return "" if rights.may_feed_some else f"{FEED}:..."


def claimer(rights: Rights, args: FeedArguments) -> str:
    """Any `feed`; to claim own topics that of them."""
    if args.owns is None or rights.may_own(args.owns):
        return feeder(rights, args)
    return f"{FEED}:{topic_of(args.owns)}.{STAR}"


def display_worker(rights: Rights, args: Any) -> str:
    """`work:display`."""
    del args
    return "" if rights.serves_displays else f"{WORK}:{DISPLAY_SERVICE}"


def display_reader(rights: Rights, args: Any) -> str:
    """`read`, or `work:display`."""
    return "" if rights.serves_displays else reader(rights, args)


def submitter(rights: Rights, args: Any) -> str:
    """Any `submit`, or `read`; the service of the task is checked when it is known."""
    del args
    return "" if rights.may_submit_some or rights.may_read else f"{SUBMIT}:..."


def canceller(rights: Rights, args: Any) -> str:
    """Any `submit`, or `control`; the service of the task is checked when it is known."""
    del args
    return "" if rights.may_submit_some or rights.may_control else f"{SUBMIT}:..."


def poster(rights: Rights, args: PostArguments | ScheduleArguments) -> str:
    """`submit` of the task's service."""
    return submits(rights, args.service)


def lister(rights: Rights, args: TasksArguments | CallsArguments) -> str:
    """`read`; of one service also its `submit`."""
    if rights.may_read or (args.service is not None and rights.may_submit(args.service)):
        return ""
    return READ if args.service is None else f"{READ} or {SUBMIT}:{args.service}"


def replayer(rights: Rights, args: ReplayArguments) -> str:
    """`subscribe` of all that is asked for: the journal holds the ticks of all feeds."""
    wanted = range_of(args)
    lacking = (subscribes(rights, key or TICKS) for key in (*(wanted.among or (wanted.topic,)), *wanted.shown))
    return next(filter(None, lacking), "")


def subscriber(rights: Rights, args: Any) -> str:
    """Any `subscribe`."""
    del args
    return "" if rights.may_subscribe_some else f"{SUBSCRIBE}:..."


def position_reader(rights: Rights, args: Any) -> str:
    """Any `subscribe`, for its own positions; or `read`."""
    return "" if rights.may_read else subscriber(rights, args)


def alerter(rights: Rights, args: AlertArguments) -> str:
    """`control`; or `subscribe` of all ticks that the alert is about."""
    if rights.may_control:
        return ""
    prefix = prefix_of(TICK_TOPICS.decode() + args.symbol)
    return "" if rights.may_subscribe(prefix) else f"{CONTROL} or {subscribes(rights, prefix)}"


def alert_reader(rights: Rights, args: Any) -> str:
    """Any `subscribe`, for its own alerts; or `read`."""
    return position_reader(rights, args)


def alert_changer(rights: Rights, args: Any) -> str:
    """Any `subscribe`, for its own alerts; or `control`."""
    return "" if rights.may_control else subscriber(rights, args)


def last_reader(rights: Rights, args: LastArguments) -> str:
    """`subscribe` of all that is asked for."""
    return subscribes(rights, prefix_of(args.topic))


# Further requests


def asks(rights: Rights, service: str) -> str:
    """`submit` of a service, or `read`: to ask whether it has workers."""
    return "" if rights.may_read else submits(rights, service)


def submits(rights: Rights, service: str) -> str:
    """`submit` of a service."""
    return "" if rights.may_submit(service) else f"{SUBMIT}:{service}"


def works(rights: Rights, service: str) -> str:
    """`work` of a service."""
    return "" if rights.may_work(service) else f"{WORK}:{service}"


def subscribes(rights: Rights, prefix: bytes) -> str:
    """`subscribe` of a prefix; of what the broker tells readers `read`."""
    if prefix.removesuffix(NUL) + NUL in READER_TOPICS:
        return "" if rights.may_subscribe(prefix) else READ
    return "" if rights.may_subscribe(prefix) else f"{SUBSCRIBE}:{_pattern(prefix)}"


def feeds(rights: Rights, topic: bytes) -> str:
    """`feed` of a topic; of a display's states `work:display`."""
    if topic.startswith(OWNED_BY_DISPLAYS):
        return display_worker(rights, None)
    return "" if rights.may_feed(topic) else f"{FEED}:{topic.decode('ascii', 'replace')[:129]}"


def _pattern(prefix: bytes) -> str:
    text = prefix.decode("ascii", "replace")[:129]
    return text.removesuffix(NUL.decode()) if prefix.endswith(NUL) else text + STAR
