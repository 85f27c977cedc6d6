"""The arguments of every control service, each of its type and within its bounds. PROTOCOL.md sections 6.2, 7 and 11.1. Pure.

`bus.broker.control_services` names the arguments of each service. Checks against the broker's state (whether a topic, a display
or a version exists) are made by the service.
"""

from msgspec import field

from hulak.bus.core.control_arguments import (
    Action,
    AgeS,
    Arguments,
    Boolean,
    DisplayId,
    ExpiresS,
    Keys,
    Limit,
    Map,
    Name,
    NaturalNumber,
    OwnName,
    Pid,
    PositionName,
    PositionNames,
    PositiveInteger,
    Prefixes,
    Priority,
    ReplayedTopics,
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
)
from hulak.bus.core.display_assignment import check_init
from hulak.bus.errors import ProtocolError
from hulak.bus.wire.codec import NUL, check_topic
from hulak.bus.wire.own_names import covers_own_topics
from hulak.bus.wire.replay_range import ALL, FOREVER, ReplayRange, common_prefix
from hulak.bus.wire.report_values import check_reported


class NoArguments(Arguments, frozen=True):
    """The arguments of services without any."""


class FeedArguments(Arguments, frozen=True):
    """`hulak.feed`."""

    instance: UnsignedInteger
    oldest: UnsignedInteger  # running number of the oldest message that it can still send
    owns: OwnName | None = None  # claims the topics `app.<owns>` and those below
    journal: Boolean | None = None  # whether these are journalled; None: as they are
    leaving: Boolean = False  # it sends nothing more; its claim ends

    def __post_init__(self) -> None:
        if self.journal is not None and self.owns is None:
            raise ValueError(f"argument journal is {self.journal}, must have owns beside it: a name of own topics")


class ReplayArguments(Arguments, frozen=True):
    """`hulak.replay`."""

    topic: TopicOrPrefix | None = None
    topics: ReplayedTopics | None = None  # several, in the global order
    first: NaturalNumber = field(name="from", default=1)
    last: NaturalNumber = field(name="to", default=FOREVER)
    since_ns: NaturalNumber = 0
    until_ns: NaturalNumber = FOREVER
    epoch: UnsignedInteger | None = None
    parts: Boolean = True  # false: no PARTs, all ticks are in the REPLY

    def __post_init__(self) -> None:
        if self.topic is None and self.topics is None:
            raise ValueError("argument topic is missing, must be a topic or a prefix of topics; or topics, an array of them")
        if self.topic is not None and self.topics is not None:
            raise ValueError("arguments topic and topics are both there, must be one of them")
        if self.last < max(1, self.first):
            raise ValueError(f"argument to is {self.last}, must not be below from, which is {max(1, self.first)}")


class LastArguments(Arguments, frozen=True):
    """`hulak.last`."""

    topic: TopicOrPrefix


class PositionArguments(Arguments, frozen=True):
    """`hulak.position.open`."""

    name: PositionName


class PositionSaveArguments(Arguments, frozen=True):
    """`hulak.position.save`."""

    name: PositionName
    token: PositiveInteger
    number: NaturalNumber  # of the last tick that was processed, in the global order
    epoch: NaturalNumber  # of that number


class PositionRemoveArguments(Arguments, frozen=True):
    """`hulak.position.remove`."""

    names: PositionNames


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
        check_reported("argument values", self.values)


class BeatArguments(Arguments, frozen=True):
    """`hulak.beat`."""

    kind: Name
    name: Name
    pid: Pid
    loop_age_s: AgeS | None = None


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
    """`hulak.cancel`, `hulak.retry`, `hulak.drop` and `hulak.task.show`."""

    task: TaskId


class TasksArguments(Arguments, frozen=True):
    """`hulak.tasks`."""

    state: TaskStateName | None = None
    service: Name | None = None
    before: TaskId | None = None  # older ones than this task
    limit: Limit | None = None


class CallsArguments(Arguments, frozen=True):
    """`hulak.calls`."""

    service: Name | None = None
    limit: Limit = 100


class ConfigGetArguments(Arguments, frozen=True):
    """`hulak.config.get`."""

    scope: Name | None = None
    version: NaturalNumber | None = None


class ConfigSetArguments(Arguments, frozen=True):
    """`hulak.config.set`."""

    scope: Name
    values: Map = field(default_factory=dict)
    unset: Keys = field(default_factory=list)
    if_version: NaturalNumber | None = None  # the version that the change was made for
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
    wait_ms: WaitMs = 0  # longest wait for all processes to apply it


class WhoamiArguments(Arguments, frozen=True):
    """`hulak.key.whoami`."""

    subscriptions: Prefixes = field(default_factory=list)


class InitArguments(Arguments, frozen=True):
    """The initial values of a display."""

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
            raise ValueError("argument source is the same as init.only_source, only one of the two may be given")


class DisplayUpdateArguments(InitArguments, frozen=True, kw_only=True):
    """`hulak.display.update`."""

    display: DisplayId


class DisplayRemoveArguments(Arguments, frozen=True):
    """`hulak.display.remove`."""

    display: DisplayId | None = None
    symbol: Symbol | None = None

    def __post_init__(self) -> None:
        if (self.display is None) == (self.symbol is None):
            raise ValueError("exactly one of the arguments display and symbol must be given")


class DisplayDayArguments(InitArguments, frozen=True, kw_only=True):
    """`hulak.display.day`."""

    display: DisplayId
    token: NaturalNumber
    first: PositiveInteger = field(name="from")


def range_of(args: ReplayArguments) -> ReplayRange:
    """Return the range of a replay.

    Raises:
        ProtocolError: `BAD_TOPIC`.
    """
    bounds = (max(1, args.first), args.last, args.since_ns, args.until_ns)
    if args.topics is not None:
        keys = [key if is_prefix else key + NUL for key, is_prefix in map(_key_of, args.topics)]
        among = () if b"" in keys else tuple(dict.fromkeys(keys))
        shown = () if among else tuple(key for key in dict.fromkeys(keys) if key and covers_own_topics(key))
        return ReplayRange(common_prefix(among) if among else b"", False, *bounds, args.epoch or 0, args.parts, among, shown)
    plain, prefix = _key_of(args.topic or "")
    if args.epoch and not prefix:
        raise ProtocolError("BAD_ARGUMENT", "argument epoch goes with numbers of the global order: of 'ticks' or of a prefix")
    return ReplayRange(plain if prefix else plain + NUL, not prefix, *bounds, args.epoch or 0, args.parts)


def _key_of(topic: str) -> tuple[bytes, bool]:
    """Return the beginning of the keys that are meant, empty for all; and whether they are numbered in the global order."""
    name = topic.encode("ascii", "replace")
    prefix = name in (ALL, b"") or name.endswith((b".", b"*", NUL))
    plain = b"" if name == ALL else name.removesuffix(b"*")
    if plain:
        check_topic(plain.removesuffix(NUL).removesuffix(b"."))
    return plain, prefix
