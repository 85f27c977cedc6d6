"""The keys of the live configuration, changed while processes run, and their allowed values: PROTOCOL.md section 7.5. Pure.

A scope names the processes that a value applies to: `global`, `kind:nepse` (every process of a kind), `display:eurusd-1` (one
display), `feed:kraken` (the feed of that name). A key that several kinds have may be set in `global`; the keys of displays and
feeds may also be set for one of them. If the settings file has the same setting, its value is the default.
"""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from hulak.bus.errors import ProtocolError
from hulak.bus.live_config.symbol_lists import is_list
from hulak.bus.wire.plain_values import suggestion

GLOBAL = "global"
KIND = "kind:"
DISPLAY = "display:"
FEED = "feed:"
KINDS = ("nepse", "display", "feed", "gateway", "worker", "scaler", "bridge", "broker")  # `worker`: a worker of any other service
LONGEST_ID = 100  # characters of a display's id
LONGEST_FEED = 195  # characters of a feed's name: the scope has at most 200
ID_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
MOST_SYMBOLS = 200  # added to one feed, or removed from it
WORDS = {"true": True, "false": False}
Value = bool | int | float | str


class Range(Struct, frozen=True):
    """Numbers from `low` to `high`; both inclusive, unless they are open."""

    low: float
    high: float
    low_open: bool = False
    high_open: bool = False

    def __contains__(self, value: float) -> bool:
        above = value > self.low if self.low_open else value >= self.low
        return above and (value < self.high if self.high_open else value <= self.high)

    def __str__(self) -> str:
        least = f"above {self.low:g}" if self.low_open else f"of at least {self.low:g}"
        return f"{least}, {'below' if self.high_open else 'at most'} {self.high:g}"


class LiveKey(Struct, frozen=True):
    """A key of the live configuration."""

    name: str
    kinds: tuple[str, ...]  # kinds of processes that apply it
    default: Value  # its type is the type of the key
    help: str  # one line
    range: Range | None = None  # of a number
    choices: tuple[str, ...] = ()  # of a text
    most_symbols: int = 0  # of a text that lists symbols, separated by commas
    of_one: bool = False  # only in the scope of one feed
    unit: str = ""
    setting: str = ""  # of the settings file, "section.name": its value is then the default

    @property
    def type(self) -> str:
        """Return the name of its type: bool, integer, number or text."""
        return {bool: "bool", int: "integer", float: "number", str: "text"}[type(self.default)]

    @property
    def allowed(self) -> str:
        """Return its allowed values in words."""
        match self.type:
            case "bool":
                return "true or false"
            case "text" if self.most_symbols:
                return f"at most {self.most_symbols} symbols, separated by commas"
            case "text":
                return " or ".join(self.choices)
            case _:
                kind = "a whole number" if self.type == "integer" else "a number"
                return f"{kind} {self.range}" + (f" ({self.unit})" if self.unit else "")

    @property
    def scopes(self) -> list[str]:
        """Return the scopes in which it may be set; `display:ID` and `feed:NAME` stand for those of every display and feed."""
        if self.of_one:
            return [FEED + "NAME"]
        places = [GLOBAL] if len(self.kinds) > 1 else []
        places += [KIND + kind for kind in self.kinds]
        own: dict[tuple[str, ...], list[str]] = {("display",): [DISPLAY + "ID"], ("feed",): [FEED + "NAME"]}
        return places + own.get(self.kinds, [])


def _number(name: str, kind: str, default: float, allowed: Range, unit: str, text: str, setting: str = "") -> LiveKey:
    return LiveKey(name, (kind,), default, text, range=allowed, unit=unit, setting=setting)


def _switch(name: str, default: bool, text: str) -> LiveKey:
    return LiveKey(name, ("display",), default, text)


def _symbols(name: str, text: str) -> LiveKey:
    return LiveKey(name, ("feed",), "", text, most_symbols=MOST_SYMBOLS, of_one=True)


TABLE = (
    LiveKey(
        "log_level",
        KINDS,
        "info",
        "the lowest level of log lines that processes write",
        choices=("debug", "info", "warning", "error"),
        setting="log.level",
    ),
    _number(
        "rate_per_s", "nepse", 2.0, Range(0, 100, low_open=True), "1/s", "HTTP requests of one worker", setting="nepse.rate_per_s"
    ),
    _number(
        "cache_s",
        "nepse",
        2.0,
        Range(0, 3600),
        "s",
        "time for which answers are cached; 0: no cache",
        setting="nepse.cache_s",
    ),
    _number(
        "stale_s", "feed", 60.0, Range(0, 86400, low_open=True), "s", "data older than this is stale", setting="feed.stale_s"
    ),
    _symbols("symbols_added", "symbols that the feed has in addition to those of its start"),
    _symbols("symbols_removed", "symbols of its start that the feed does not have"),
    _number("frame_ms", "gateway", 8.0, Range(1, 1000), "ms", "interval of messages to a browser", setting="gateway.frame_ms"),
    _number(
        "states_per_s",
        "display",
        100.0,
        Range(0, 1000, low_open=True),
        "1/s",
        "highest rate of states that a display publishes",
        setting="display.states_per_s",
    ),
    _number(
        "price_bucket_multiplier",
        "display",
        1.0,
        Range(0, 1000, low_open=True),
        "pipettes",
        "width of the profile's buckets",
    ),
    LiveKey(
        "distribution_depth_mode",
        ("display",),
        "all",
        "the part of the market profile that is shown",
        choices=("all", "percentage"),
    ),
    _number("distribution_percentage", "display", 50.0, Range(1, 100), "%", "share that the mode `percentage` shows"),
    _number("volatility_smoothing", "display", 0.8, Range(0, 1, high_open=True), "", "weight of the previous volatility"),
    _number("value_area", "display", 0.7, Range(0, 1, low_open=True), "", "share of the profile's volume in its value area"),
    _number("flash_threshold", "display", 1.5, Range(0, 1000), "pips", "smallest move that flashes"),
    _switch("show_flash", False, "whether moves flash"),
    _number("max_marker_decay_s", "display", 10.0, Range(0, 3600, low_open=True), "s", "time after which a marker disappears"),
    _number("adr_lookback_days", "display", 14, Range(1, 365), "days", "days in the average day range"),
    _switch("batch_dispatching", True, "whether ticks are processed in batches"),
    _switch("memory_optimization", True, "whether profiles are trimmed to a bounded size"),
    _switch("performance_monitoring", False, "whether the time of each tick is measured"),
)
KEYS: Mapping[str, LiveKey] = {key.name: key for key in TABLE}


def refuse(scope: str, key: str, seen: Any, allowed: str, text: str) -> ProtocolError:
    """Return a `BAD_CONFIG` with its details: scope, key, seen, allowed."""
    error = ProtocolError("BAD_CONFIG", text)
    error.details = {"scope": scope, "key": key, "seen": _short(seen), "allowed": allowed}
    return error


def _short(seen: Any) -> str:
    text = repr(seen) if isinstance(seen, bool | int | float | str | None) else type(seen).__name__
    return text if len(text) <= 60 else text[:57] + "..."


def check_scope(scope: Any) -> str:
    """Return the name of a scope, checked.

    Raises:
        ProtocolError: `BAD_CONFIG`.
    """
    kinds = ", ".join(KIND + kind for kind in KINDS)
    allowed = f"{GLOBAL}, {kinds}, {DISPLAY}ID or {FEED}NAME"
    if isinstance(scope, str):
        if scope == GLOBAL or (scope.startswith(KIND) and scope.removeprefix(KIND) in KINDS):
            return scope
        feed = scope.removeprefix(FEED)
        if feed != scope and 0 < len(feed) <= LONGEST_FEED and feed.isprintable():
            return scope
        name = scope.removeprefix(DISPLAY)
        if name != scope and 0 < len(name) <= LONGEST_ID and ID_CHARACTERS.issuperset(name) and not name.endswith("."):
            return scope
    shown = scope if isinstance(scope, str) else ""
    text = (
        f"scope {_short(scope)} is unknown; allowed are {allowed}{suggestion(scope, [GLOBAL, *(KIND + kind for kind in KINDS)])}"
    )
    raise refuse(shown, "", scope, allowed, text)


def find_key(scope: str, name: Any) -> LiveKey:
    """Return a key that may be set in a scope; the scope has been checked.

    Raises:
        ProtocolError: `BAD_CONFIG`: it is unknown, or belongs to another scope.
    """
    key = KEYS.get(name) if isinstance(name, str) else None
    if key is None:
        there = [entry.name for entry in TABLE if fits(entry, scope)]
        here = ", ".join(there) or "none"
        shown = name if isinstance(name, str) else ""
        near = suggestion(name, there) or suggestion(name, KEYS)  # or one of another scope
        raise refuse(scope, shown, name, here, f"key {_short(name)} is unknown; {scope} has {here}{near}")
    if not fits(key, scope):
        places = ", ".join(key.scopes)
        raise refuse(scope, key.name, scope, places, f"key {key.name} is set in scope {scope}, must be in {places}")
    return key


def fits(key: LiveKey, scope: str) -> bool:
    """Return whether a key may be set in a scope."""
    own = {DISPLAY: DISPLAY + "ID", FEED: FEED + "NAME"}
    return own.get(scope[: scope.find(":") + 1], scope) in key.scopes


def check_value(scope: str, key: LiveKey, value: Any) -> Value:
    """Return a value as the key's type, checked.

    Raises:
        ProtocolError: `BAD_CONFIG` with key, value seen, and allowed values.
    """
    kind = type(key.default)
    fitting = type(value) is kind or (kind is float and type(value) is int)
    if fitting and key.range is not None:
        fitting = value in key.range  # NaN and infinity are not
    if fitting and key.most_symbols:
        fitting = is_list(value, key.most_symbols)
    if fitting and key.choices:
        fitting = value in key.choices
    if not fitting:
        seen, name = _short(value), type(value).__name__
        raise refuse(scope, key.name, value, key.allowed, f"key {key.name} is {seen} ({name}), must be {key.allowed}")
    return kind(value)


def check_values(scope: Any, values: Any) -> dict[str, Value]:
    """Return values to be set in a scope as their keys' types; scope and values are checked, and all are refused if one is wrong.

    Raises:
        ProtocolError: `BAD_CONFIG`.
    """
    where = check_scope(scope)
    if not isinstance(values, Mapping):
        raise refuse(where, "", values, "a map", f"values are {_short(values)}, must be a map of keys")
    return {name: check_value(where, find_key(where, name), value) for name, value in values.items()}


def read_value(name: str, text: str) -> Value:
    """Parse a value from the text of a command line; a text that does not fit its key's type stays text, and is refused later."""
    key = KEYS.get(name)
    kind = "text" if key is None else key.type
    try:
        if kind == "number":
            return float(text)
        if kind == "integer":
            return int(text)
    except ValueError:
        return text
    return WORDS.get(text.lower(), text) if kind == "bool" else text


def defaults_of(settings: Any) -> dict[str, Value]:
    """Return each key's default: the value of the same setting of the settings file, if there is one.

    Args:
        settings: a `bus.process.settings.Settings`; None for the shipped defaults.
    """
    defaults = {}
    for key in TABLE:
        value: Any = key.default
        if key.setting and settings is not None:
            section, _, name = key.setting.partition(".")
            value = getattr(getattr(settings, section), name)
        defaults[key.name] = value
    return defaults
