"""The arguments of the control services on alerts. PROTOCOL.md section 7.10. Pure."""

from math import isfinite
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from hulak.bus.core.control_arguments import Arguments, Boolean, NaturalNumber, ShortText
from hulak.bus.wire.codec import MAX_TOPIC

LONGEST_SYMBOL = MAX_TOPIC - len("alert..") - 64  # so that `alert.<name>.<symbol>` is a topic
DAY_S = 86_400
OPTIONS = {  # kind of alert -> the arguments that go with it, beside those of all
    "price": {"side", "above", "below", "rearm"},
    "change": {"side", "above", "below", "rearm", "window_s"},
    "spread": {"unit", "above", "below", "rearm"},
    "stale": {"after_s"},
}

AlertName = Annotated[
    str, Meta(pattern=r"\A[A-Za-z0-9_-]{1,64}\Z", description="the name of an alert, 1 to 64 letters, digits, '_', '-'")
]
SymbolPattern = Annotated[
    str,
    Meta(
        pattern=r"\A[A-Za-z0-9._-]*([A-Za-z0-9_-]|\*)\Z",
        max_length=LONGEST_SYMBOL,
        description=f"a symbol, or its beginning and a star, e.g. 'EURUSD' or 'kraken.*', of at most {LONGEST_SYMBOL} characters",
    ),
]
Watched = Annotated[Literal["price", "change", "spread", "stale"], Meta(description="one of price, change, spread, stale")]
Side = Annotated[Literal["bid", "ask", "mid", "last"], Meta(description="one of bid, ask, mid, last")]
Unit = Annotated[Literal["price", "pips", "fraction"], Meta(description="one of price, pips, fraction")]
Level = Annotated[float, Meta(ge=-1e15, le=1e15, description="a number from -1e15 to 1e15")]
Distance = Annotated[float, Meta(ge=0, le=1e15, description="a number from 0 to 1e15")]
WindowS = Annotated[int, Meta(ge=1, le=DAY_S, description=f"a whole number from 1 to {DAY_S}")]
AfterS = Annotated[float, Meta(ge=1, le=7 * DAY_S, description=f"seconds from 1 to {7 * DAY_S}")]
CooldownS = Annotated[int, Meta(ge=0, le=DAY_S, description=f"a whole number from 0 to {DAY_S}")]


class AlertArguments(Arguments, frozen=True):
    """`hulak.alert.add`."""

    symbol: SymbolPattern
    on: Watched
    name: AlertName | None = None
    side: Side = "mid"
    above: Level | None = None
    below: Level | None = None
    unit: Unit = "price"
    window_s: WindowS | None = None
    after_s: AfterS | None = None
    repeat: Boolean = False
    rearm: Distance = 0.0
    cooldown_s: CooldownS = 0
    until_ms: NaturalNumber | None = None
    note: ShortText = ""

    def __post_init__(self) -> None:
        given = {name for name in _DEFAULTS if getattr(self, name) != _DEFAULTS[name]}
        foreign = sorted(given - OPTIONS[self.on])
        if foreign:
            allowed = ", ".join(sorted(OPTIONS[self.on]))
            text = f"argument {foreign[0]} is {getattr(self, foreign[0])!r}, must be left out: on {self.on!r} takes {allowed}"
            raise ValueError(text)
        if self.on == "stale":
            if self.after_s is None:
                raise ValueError("argument after_s is missing, must be the seconds without a tick")
            return
        if self.above is None and self.below is None:
            raise ValueError("argument above is missing, must be a number; or below, or both")
        numbers = (self.above, self.below, self.rearm)
        if not all(number is None or isfinite(number) for number in numbers):
            raise ValueError(f"argument above or below is {numbers!r}, must be a finite number")
        if self.above is not None and self.below is not None and self.below >= self.above:
            raise ValueError(f"argument below is {self.below!r}, must be less than above, {self.above!r}")


_DEFAULTS: dict[str, Any] = {
    "side": "mid",
    "above": None,
    "below": None,
    "unit": "price",
    "window_s": None,
    "after_s": None,
    "rearm": 0.0,
}


class AlertListArguments(Arguments, frozen=True):
    """`hulak.alert.list`."""

    name: AlertName | None = None
    revision: NaturalNumber | None = None


class AlertNameArguments(Arguments, frozen=True):
    """`hulak.alert.remove`."""

    name: AlertName


class AlertEnableArguments(Arguments, frozen=True):
    """`hulak.alert.enable`."""

    name: AlertName
    enabled: Boolean = True


def definition_of(args: AlertArguments) -> dict[str, Any]:
    """Return the arguments that mean something for this kind of alert, as a map of plain values."""
    kept = OPTIONS[args.on] | {"symbol", "on", "repeat", "cooldown_s", "until_ms", "note"}
    return {name: value for name, value in msgspec.structs.asdict(args).items() if name in kept}
