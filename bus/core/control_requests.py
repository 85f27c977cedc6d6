"""Every control service: its name, its arguments, and when it answers. PROTOCOL.md sections 6.2, 7 and 11.1. Pure.

This is the one place where arguments are read: who serves a request gets them as a struct of this file, each of its type and
within its bounds. What depends on the broker's state (is there such a topic, a display, a version?) is for who serves it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from msgspec import field

from bus.core.control_arguments import (
    Action,
    Arguments,
    DisplayId,
    ExpiresS,
    Flag,
    Keys,
    Limit,
    Map,
    Name,
    Natural,
    Number,
    Pid,
    Priority,
    Retries,
    ServiceOfWorkers,
    Symbol,
    TaskId,
    TaskState,
    Text,
    Topics,
    TopicsOfFeeds,
    Unsigned,
    WaitMs,
    Workers,
    read,
)
from bus.core.display_assignment import check_init
from bus.errors import ProtocolError
from bus.wire.codec import NUL, check_topic
from bus.wire.replay_range import ALL, FOR_EVER, Wanted
from bus.wire.report_values import check_told

PREFIX = "hulak."


class Nothing(Arguments, frozen=True):
    """Of services that take none."""


class Feed(Arguments, frozen=True):
    """`hulak.feed`."""

    instance: Unsigned
    oldest: Unsigned  # running number of the oldest message that it can still send


class Replay(Arguments, frozen=True):
    """`hulak.replay`."""

    topic: Topics
    first: Natural = field(name="from", default=1)
    last: Natural = field(name="to", default=FOR_EVER)
    since_ns: Natural = 0
    until_ns: Natural = FOR_EVER
    epoch: Unsigned | None = None
    parts: Flag = True  # false: no PARTs, all ticks come in the REPLY

    def __post_init__(self) -> None:
        if self.last < max(1, self.first):
            raise ValueError(f"argument to is {self.last}, must not be below from, which is {max(1, self.first)}")


class Last(Arguments, frozen=True):
    """`hulak.last`."""

    topic: Topics


class TopicRemove(Arguments, frozen=True):
    """`hulak.topic.remove`."""

    topics: TopicsOfFeeds


class Report(Arguments, frozen=True):
    """`hulak.report`."""

    kind: Name
    name: Name
    pid: Pid
    values: Map
    leaving: Flag = False

    def __post_init__(self) -> None:
        check_told("argument values", self.values)


class Retire(Arguments, frozen=True):
    """`hulak.retire`."""

    worker: Name
    reason: Text = "an operator asked for it"


class Scale(Arguments, frozen=True):
    """`hulak.scale`."""

    service: Name
    workers: Workers


class Post(Arguments, frozen=True):
    """`hulak.post`."""

    service: ServiceOfWorkers
    action: Action = ""
    args: Map = field(default_factory=dict)
    key: Name | None = None
    retries: Retries | None = None
    expires_s: ExpiresS | None = None
    priority: Priority = 1


class Result(Arguments, frozen=True):
    """`hulak.result`."""

    task: TaskId
    wait_ms: WaitMs = 0


class OfTask(Arguments, frozen=True):
    """`hulak.cancel`, `hulak.retry` and `hulak.drop`."""

    task: TaskId


class Tasks(Arguments, frozen=True):
    """`hulak.tasks`."""

    state: TaskState | None = None
    service: Name | None = None
    limit: Limit | None = None


class ConfigGet(Arguments, frozen=True):
    """`hulak.config.get`."""

    scope: Name | None = None
    version: Natural | None = None


class ConfigSet(Arguments, frozen=True):
    """`hulak.config.set`."""

    scope: Name
    values: Map = field(default_factory=dict)
    unset: Keys = field(default_factory=list)
    by: Text = ""
    note: Text = ""


class ConfigRevert(Arguments, frozen=True):
    """`hulak.config.revert`."""

    version: Natural
    by: Text = ""
    note: Text | None = None


class ConfigHistory(Arguments, frozen=True):
    """`hulak.config.history`."""

    limit: Limit = 100


class ConfigApplied(Arguments, frozen=True):
    """`hulak.config.applied`."""

    version: Natural | None = None


class WithInit(Arguments, frozen=True):
    """What a display begins with."""

    init: Map = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_init(self.init)


class DisplayCreate(WithInit, frozen=True, kw_only=True):
    """`hulak.display.create`."""

    symbol: Symbol
    display: DisplayId | None = None
    first: Number | None = field(name="from", default=None)
    config: Map | None = None
    source: Name | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.source is not None and "only_source" in self.init:
            raise ValueError("argument source says the same as init.only_source, only one of both may be there")


class DisplayUpdate(WithInit, frozen=True, kw_only=True):
    """`hulak.display.update`."""

    display: DisplayId


class DisplayRemove(Arguments, frozen=True):
    """`hulak.display.remove`."""

    display: DisplayId | None = None
    symbol: Symbol | None = None

    def __post_init__(self) -> None:
        if (self.display is None) == (self.symbol is None):
            raise ValueError("exactly one of the arguments display and symbol must be there")


class DisplayDay(WithInit, frozen=True, kw_only=True):
    """`hulak.display.day`."""

    display: DisplayId
    token: Natural
    first: Number = field(name="from")


@dataclass(frozen=True, slots=True)
class Service:
    """One control service."""

    args: type[Arguments]
    summary: str
    at_once: bool = True  # answered in the turn of the loop that takes the request in; else when the disk, or time, has it


SERVICES: Mapping[str, Service] = {
    "hulak.ping": Service(Nothing, "tell that the broker is there, and which one"),
    "hulak.stats": Service(Nothing, "tell everything the broker knows of itself"),
    "hulak.feed": Service(Feed, "open a feed's instance, and tell how far it was taken and journalled"),
    "hulak.replay": Service(Replay, "give ticks of the past again", at_once=False),
    "hulak.last": Service(Last, "give the last message of a topic, or of all topics under a prefix"),
    "hulak.topic.remove": Service(TopicRemove, "free topics of feeds: their last values, and their places"),
    "hulak.report": Service(Report, "take what a process tells about itself, or that it leaves"),
    "hulak.retire": Service(Retire, "ask a worker to finish what it holds and to leave"),
    "hulak.scale": Service(Scale, "set by hand how many workers a service has", at_once=False),
    "hulak.post": Service(Post, "take a task that outlives the broker", at_once=False),
    "hulak.result": Service(Result, "tell what became of a posted task", at_once=False),
    "hulak.cancel": Service(OfTask, "end a posted task before its time", at_once=False),
    "hulak.tasks": Service(Tasks, "list posted tasks", at_once=False),
    "hulak.retry": Service(OfTask, "post a dead letter anew", at_once=False),
    "hulak.drop": Service(OfTask, "delete a dead letter", at_once=False),
    "hulak.config.get": Service(ConfigGet, "tell the live configuration"),
    "hulak.config.set": Service(ConfigSet, "change the live configuration", at_once=False),
    "hulak.config.revert": Service(ConfigRevert, "make a former configuration the present one", at_once=False),
    "hulak.config.history": Service(ConfigHistory, "list the newest versions of the configuration"),
    "hulak.config.applied": Service(ConfigApplied, "list which process applies which version"),
    "hulak.display.create": Service(DisplayCreate, "have a display computed", at_once=False),
    "hulak.display.update": Service(DisplayUpdate, "have a display begin anew with other values", at_once=False),
    "hulak.display.remove": Service(DisplayRemove, "let displays go", at_once=False),
    "hulak.display.list": Service(Nothing, "list all displays, and who has them"),
    "hulak.display.day": Service(DisplayDay, "take what the day of a display began with", at_once=False),
}


def arguments_of(service: str, args: Mapping[str, Any]) -> Arguments:
    """Read the arguments of a control request, as they were sent.

    Args:
        service: the whole name, `hulak.` included.
    Raises:
        ProtocolError: `UNKNOWN_SERVICE` or `BAD_ARGUMENT`.
    """
    if service not in SERVICES:
        there = ", ".join(SERVICES)
        raise ProtocolError("UNKNOWN_SERVICE", f"service {service[:100]!r} is unknown; control services are {there}")
    return read(SERVICES[service].args, args)


def wanted_of(args: Replay) -> Wanted:
    """Say what a replay is to read.

    Raises:
        ProtocolError: `BAD_TOPIC`.
    """
    name = args.topic.encode("ascii", "replace")
    prefix = name in (ALL, b"") or name.endswith((b".", b"*", NUL))
    plain = b"" if name == ALL else name.removesuffix(b"*")
    if plain:
        check_topic(plain.removesuffix(NUL).removesuffix(b"."))
    if args.epoch and not prefix:
        raise ProtocolError("BAD_ARGUMENT", "argument epoch goes with numbers of the global order: of 'ticks' or of a prefix")
    bounds = (max(1, args.first), args.last, args.since_ns, args.until_ns)
    return Wanted(plain if prefix else plain + NUL, not prefix, *bounds, args.epoch or 0, args.parts)
