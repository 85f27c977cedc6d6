"""The arguments of the operations that are no control service of the broker, each within its bounds. Pure."""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType, field

from hulak.bus.core.control_arguments import (
    Action,
    Arguments,
    Boolean,
    Map,
    Name,
    PositiveInteger,
    Priority,
    Retries,
    ServiceOfWorkers,
    Symbol,
    TaskId,
    TopicOrPrefix,
)

MOST_ROWS, ROWS = 1000, 200  # of a page of ticks
MOST_BARS, BARS = 5000, 500

Moment = Annotated[str, Meta(max_length=40, description="a time such as 2026-11-22T10:00:00, or 10m for ten minutes ago")]
Symbols = Annotated[
    list[Annotated[str, Meta(max_length=100)]],
    Meta(min_length=1, max_length=1000, description="an array of 1 to 1000 symbols"),
]
CallMs = Annotated[int, Meta(ge=1, le=300_000, description="milliseconds to wait for the result, at most 300000")]


class LastQuery(Arguments, frozen=True):
    """The last message of topics."""

    topic: TopicOrPrefix


class TopicsQuery(Arguments, frozen=True):
    """Topics with their last numbers."""

    topic: TopicOrPrefix = "tick."


class TicksQuery(Arguments, frozen=True):
    """A page of messages of the journal."""

    topic: TopicOrPrefix = "ticks"
    first: PositiveInteger | None = field(name="from", default=None)
    last: PositiveInteger | None = field(name="to", default=None)
    since: Moment | None = None
    until: Moment | None = None
    limit: Annotated[int, Meta(ge=1, le=MOST_ROWS, description=f"most rows, at most {MOST_ROWS}")] = ROWS


class BarsQuery(Arguments, frozen=True):
    """Bars of a symbol."""

    symbol: Symbol
    interval: Annotated[Literal["1s", "1m", "5m", "1h", "1d"], Meta(description="one of 1s, 1m, 5m, 1h, 1d")] = "1m"
    since: Moment | None = None
    last: Annotated[int, Meta(ge=1, le=MOST_BARS, description=f"the newest bars, at most {MOST_BARS}")] = BARS


class CallBody(Arguments, frozen=True):
    """A task whose result is awaited."""

    service: ServiceOfWorkers
    action: Action = ""
    args: Map = field(default_factory=dict)
    timeout_ms: CallMs = 60_000
    retries: Retries | None = None
    priority: Priority = 1


class SymbolsOfFeed(Arguments, frozen=True):
    """Symbols of a feed, as its venue writes them."""

    feed: Name
    symbols: Symbols
    by: Annotated[str, Meta(max_length=200)] = ""


class PublishBody(Arguments, frozen=True):
    """A message on an own topic."""

    topic: Annotated[str, Meta(max_length=128, pattern=r"\Aapp\.", description="an own topic, `app.NAME` or `app.NAME.REST`")]
    body: Any | UnsetType = UNSET
    journal: Boolean | None = None


class TaskQuery(Arguments, frozen=True):
    """A task, once it has ended or the time is over."""

    task: TaskId
    wait_ms: Annotated[int, Meta(ge=0, le=60_000, description="milliseconds to wait for the task's end, at most 60000")] = 0


class DeadQuery(Arguments, frozen=True):
    """Dead letters."""

    service: Name | None = None
    limit: Annotated[int, Meta(ge=1, le=1000, description="a whole number from 1 to 1000")] = 100


class EventsQuery(Arguments, frozen=True):
    """A stream of events."""

    topics: Annotated[
        list[Annotated[str, Meta(max_length=129)]],
        Meta(min_length=1, max_length=100, description="1 to 100 topics or prefixes, e.g. 'tick.EURUSD', 'tick.EUR*', 'stats'"),
    ]
    since: Moment | None = None
    first: PositiveInteger | None = field(name="from", default=None)
    last: Annotated[int, Meta(ge=1, le=1_000_000, description="a number of newest ticks, at most 1000000")] | None = None
