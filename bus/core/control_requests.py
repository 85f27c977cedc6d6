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
    Boolean,
    DisplayId,
    ExpiresS,
    Keys,
    Limit,
    Map,
    Name,
    NaturalNumber,
    Pid,
    PositiveInteger,
    Priority,
    Retries,
    ServiceOfWorkers,
    ShortText,
    Symbol,
    TaskId,
    TaskStateName,
    TopicOrPrefix,
    TopicsOfFeeds,
    UnsignedInteger,
    WaitMs,
    Workers,
    read,
)
from bus.core.display_assignment import check_init
from bus.errors import ProtocolError
from bus.wire.codec import NUL, check_topic
from bus.wire.replay_range import ALL, FOR_EVER, ReplayRange
from bus.wire.report_values import check_told

PREFIX = "hulak."


class NoArguments(Arguments, frozen=True):
    """Of services that take none."""


class FeedArguments(Arguments, frozen=True):
    """`hulak.feed`."""

    instance: UnsignedInteger
    oldest: UnsignedInteger  # running number of the oldest message that it can still send


class ReplayArguments(Arguments, frozen=True):
    """`hulak.replay`."""

    topic: TopicOrPrefix
    first: NaturalNumber = field(name="from", default=1)
    last: NaturalNumber = field(name="to", default=FOR_EVER)
    since_ns: NaturalNumber = 0
    until_ns: NaturalNumber = FOR_EVER
    epoch: UnsignedInteger | None = None
    parts: Boolean = True  # false: no PARTs, all ticks come in the REPLY

    def __post_init__(self) -> None:
        if self.last < max(1, self.first):
            raise ValueError(f"argument to is {self.last}, must not be below from, which is {max(1, self.first)}")


class LastArguments(Arguments, frozen=True):
    """`hulak.last`."""

    topic: TopicOrPrefix


class TopicRemoveArguments(Arguments, frozen=True):
    """`hulak.topic.remove`."""

    topics: TopicsOfFeeds


class ReportArguments(Arguments, frozen=True):
    """`hulak.report`."""

    kind: Name
    name: Name
    pid: Pid
    values: Map
    leaving: Boolean = False

    def __post_init__(self) -> None:
        check_told("argument values", self.values)


class RetireArguments(Arguments, frozen=True):
    """`hulak.retire`."""

    worker: Name
    reason: ShortText = "an operator asked for it"


class ScaleArguments(Arguments, frozen=True):
    """`hulak.scale`."""

    service: Name
    workers: Workers


class PostArguments(Arguments, frozen=True):
    """`hulak.post`."""

    service: ServiceOfWorkers
    action: Action = ""
    args: Map = field(default_factory=dict)
    key: Name | None = None
    retries: Retries | None = None
    expires_s: ExpiresS | None = None
    priority: Priority = 1


class ResultArguments(Arguments, frozen=True):
    """`hulak.result`."""

    task: TaskId
    wait_ms: WaitMs = 0


class TaskIdArguments(Arguments, frozen=True):
    """`hulak.cancel`, `hulak.retry` and `hulak.drop`."""

    task: TaskId


class TasksArguments(Arguments, frozen=True):
    """`hulak.tasks`."""

    state: TaskStateName | None = None
    service: Name | None = None
    limit: Limit | None = None


class ConfigGetArguments(Arguments, frozen=True):
    """`hulak.config.get`."""

    scope: Name | None = None
    version: NaturalNumber | None = None


class ConfigSetArguments(Arguments, frozen=True):
    """`hulak.config.set`."""

    scope: Name
    values: Map = field(default_factory=dict)
    unset: Keys = field(default_factory=list)
    by: ShortText = ""
    note: ShortText = ""


class ConfigRevertArguments(Arguments, frozen=True):
    """`hulak.config.revert`."""

    version: NaturalNumber
    by: ShortText = ""
    note: ShortText | None = None


class ConfigHistoryArguments(Arguments, frozen=True):
    """`hulak.config.history`."""

    limit: Limit = 100


class ConfigAppliedArguments(Arguments, frozen=True):
    """`hulak.config.applied`."""

    version: NaturalNumber | None = None


class InitArguments(Arguments, frozen=True):
    """What a display begins with."""

    init: Map = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_init(self.init)


class DisplayCreateArguments(InitArguments, frozen=True, kw_only=True):
    """`hulak.display.create`."""

    symbol: Symbol
    display: DisplayId | None = None
    first: PositiveInteger | None = field(name="from", default=None)
    config: Map | None = None
    source: ShortText | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.source is not None and "only_source" in self.init:
            raise ValueError("argument source says the same as init.only_source, only one of both may be there")


class DisplayUpdateArguments(InitArguments, frozen=True, kw_only=True):
    """`hulak.display.update`."""

    display: DisplayId


class DisplayRemoveArguments(Arguments, frozen=True):
    """`hulak.display.remove`."""

    display: DisplayId | None = None
    symbol: Symbol | None = None

    def __post_init__(self) -> None:
        if (self.display is None) == (self.symbol is None):
            raise ValueError("exactly one of the arguments display and symbol must be there")


class DisplayDayArguments(InitArguments, frozen=True, kw_only=True):
    """`hulak.display.day`."""

    display: DisplayId
    token: NaturalNumber
    first: PositiveInteger = field(name="from")


@dataclass(frozen=True, slots=True)
class ControlService:
    """One control service."""

    args: type[Arguments]
    summary: str
    at_once: bool = True  # answered in the turn of the loop that takes the request in; else when the disk, or time, has it


SERVICES: Mapping[str, ControlService] = {
    "hulak.ping": ControlService(NoArguments, "tell that the broker is there, and which one"),
    "hulak.stats": ControlService(NoArguments, "tell everything the broker knows of itself"),
    "hulak.feed": ControlService(FeedArguments, "open a feed's instance, and tell how far it was taken and journalled"),
    "hulak.replay": ControlService(ReplayArguments, "give ticks of the past again", at_once=False),
    "hulak.last": ControlService(LastArguments, "give the last message of a topic, or of all topics under a prefix"),
    "hulak.topic.remove": ControlService(TopicRemoveArguments, "free topics of feeds: their last values, and their places"),
    "hulak.report": ControlService(ReportArguments, "take what a process tells about itself, or that it leaves"),
    "hulak.retire": ControlService(RetireArguments, "ask a worker to finish what it holds and to leave"),
    "hulak.scale": ControlService(ScaleArguments, "set by hand how many workers a service has", at_once=False),
    "hulak.post": ControlService(PostArguments, "take a task that outlives the broker", at_once=False),
    "hulak.result": ControlService(ResultArguments, "tell what became of a posted task", at_once=False),
    "hulak.cancel": ControlService(TaskIdArguments, "end a posted task before its time", at_once=False),
    "hulak.tasks": ControlService(TasksArguments, "list posted tasks", at_once=False),
    "hulak.retry": ControlService(TaskIdArguments, "post a dead letter anew", at_once=False),
    "hulak.drop": ControlService(TaskIdArguments, "delete a dead letter", at_once=False),
    "hulak.config.get": ControlService(ConfigGetArguments, "tell the live configuration"),
    "hulak.config.set": ControlService(ConfigSetArguments, "change the live configuration", at_once=False),
    "hulak.config.revert": ControlService(ConfigRevertArguments, "make a former configuration the present one", at_once=False),
    "hulak.config.history": ControlService(ConfigHistoryArguments, "list the newest versions of the configuration"),
    "hulak.config.applied": ControlService(ConfigAppliedArguments, "list which process applies which version"),
    "hulak.display.create": ControlService(DisplayCreateArguments, "have a display computed", at_once=False),
    "hulak.display.update": ControlService(DisplayUpdateArguments, "have a display begin anew with other values", at_once=False),
    "hulak.display.remove": ControlService(DisplayRemoveArguments, "let displays go", at_once=False),
    "hulak.display.list": ControlService(NoArguments, "list all displays, and who has them"),
    "hulak.display.day": ControlService(DisplayDayArguments, "take what the day of a display began with", at_once=False),
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


def wanted_of(args: ReplayArguments) -> ReplayRange:
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
    return ReplayRange(plain if prefix else plain + NUL, not prefix, *bounds, args.epoch or 0, args.parts)
