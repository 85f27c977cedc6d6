"""Arguments of control requests: accepted values, refused values, and the error texts."""

import math
import re

import msgspec
import pytest
from request_arguments import arguments, read_wanted

from hulak.bus.broker.control_services import SERVICES, find
from hulak.bus.core.control_arguments import YEAR_S, read, wanted
from hulak.bus.core.display_assignment import MAX_INIT_BYTES
from hulak.bus.core.tasks.task_queue import TaskState
from hulak.bus.errors import ProtocolError
from hulak.bus.wire.plain_values import DEEPEST
from hulak.bus.wire.replay_range import FOREVER, ReplayRange
from hulak.bus.wire.report_values import MOST_BYTES

ID = bytes(16)
ENOUGH = {  # of each service, the least that it takes
    "hulak.feed": {"instance": 1, "oldest": 1},
    "hulak.replay": {"topic": "ticks"},
    "hulak.last": {"topic": ""},
    "hulak.position.open": {"name": "n"},
    "hulak.position.save": {"name": "n", "token": 1, "number": 0, "epoch": 0},
    "hulak.position.remove": {"names": ["n"]},
    "hulak.topic.remove": {"topics": ["tick.X"]},
    "hulak.report": {"kind": "feed", "name": "n", "pid": 1, "values": {}},
    "hulak.beat": {"kind": "feed", "name": "a", "pid": 1},
    "hulak.retire": {"worker": "w"},
    "hulak.scale": {"service": "nepse", "workers": "auto"},
    "hulak.post": {"service": "s"},
    "hulak.result": {"task": ID},
    "hulak.cancel": {"task": ID},
    "hulak.task.show": {"task": ID},
    "hulak.retry": {"task": ID},
    "hulak.drop": {"task": ID},
    "hulak.schedule.add": {"service": "s", "at": "10:00"},
    "hulak.schedule.pause": {"name": "n"},
    "hulak.schedule.resume": {"name": "n"},
    "hulak.schedule.remove": {"name": "n"},
    "hulak.schedule.run": {"name": "n"},
    "hulak.calendar.set": {"name": "c", "zone": "UTC", "weekdays": [1], "first": "2026-01-01", "last": "2026-12-31"},
    "hulak.calendar.remove": {"name": "c"},
    "hulak.alert.add": {"symbol": "X", "on": "price", "above": 1.5},
    "hulak.alert.enable": {"name": "n"},
    "hulak.alert.remove": {"name": "n"},
    "hulak.layout.show": {"name": "n"},
    "hulak.layout.put": {"name": "n", "document": {"version": 1, "view": "table"}},
    "hulak.layout.remove": {"name": "n"},
    "hulak.config.set": {"scope": "global"},
    "hulak.config.revert": {"version": 0},
    "hulak.display.create": {"symbol": "X"},
    "hulak.display.update": {"display": "d"},
    "hulak.display.remove": {"display": "d"},
    "hulak.display.day": {"display": "d", "token": 1, "from": 1},
}
WRONG = (object(), 1.5, math.nan, math.inf, 1 << 63, 1 << 64, -1, True, "x" * 70_000, b"\xff" * 17, [[]], {1: 2}, {b"a": 1})
ARGUMENTS = [(name, argument) for name, service in SERVICES.items() for argument in msgspec.structs.fields(service.args)]


def arguments_of(service, args):
    return read(find(service).args, args)


def refused(service, args):
    with pytest.raises(ProtocolError) as caught:
        arguments_of(service, args)
    assert caught.value.code == "BAD_ARGUMENT"
    return str(caught.value)


def deep(levels):
    """Nest maps so deep."""
    value = {}
    for _ in range(levels - 1):
        value = {"a": value}
    return value


@pytest.mark.parametrize("service", SERVICES)
def test_each_service_takes_the_least_that_it_needs_and_nothing_unknown(service):
    enough = ENOUGH.get(service, {})
    assert isinstance(arguments_of(service, enough), SERVICES[service].args)
    assert refused(service, {**enough, "colour": 1}).startswith("argument 'colour' is unknown, ")


@pytest.mark.parametrize("service", ENOUGH)
def test_what_is_missing_is_named_with_what_it_must_be(service):
    if service == "hulak.display.remove":
        assert refused(service, {}) == "exactly one of the arguments display and symbol must be given"
        return
    for name in ENOUGH[service]:
        rest = {other: value for other, value in ENOUGH[service].items() if other != name}
        assert refused(service, rest).startswith(f"argument {name} is missing, must be ")


@pytest.mark.parametrize(("service", "argument"), ARGUMENTS, ids=lambda item: getattr(item, "encode_name", item))
def test_an_argument_of_another_type_is_refused_with_its_name_its_value_and_the_expected_type(service, argument):
    name, description = argument.encode_name, wanted(argument.type)
    assert description
    for wrong in WRONG:
        try:
            arguments_of(service, {**ENOUGH.get(service, {}), name: wrong})
        except ProtocolError as error:
            code, text = error.code, str(error)
        else:
            assert type(wrong) in (float, bool, int, str)  # a few of them are allowed somewhere
            continue
        assert (code, len(text) < 500) == ("BAD_ARGUMENT", True)
        if not text.startswith(("argument to is", "argument values has the key", "exactly one")):
            assert re.match(rf"argument {name} (is|has) .*must (be|hold|have) ", text), text


@pytest.mark.parametrize(
    ("service", "name", "within", "beyond"),
    [
        ("hulak.feed", "instance", [1, (1 << 64) - 1], [0, -1]),
        ("hulak.feed", "oldest", [1, (1 << 64) - 1], [0, -1]),
        ("hulak.replay", "from", [0, FOREVER], [-1, 1 << 63]),
        ("hulak.replay", "to", [1, FOREVER], [-1, 0, 1 << 63]),
        ("hulak.replay", "since_ns", [0, FOREVER], [-1, 1 << 63]),
        ("hulak.replay", "epoch", [1, (1 << 64) - 1, None], [0]),
        ("hulak.replay", "topic", ["", "t" * 128], ["t" * 130]),
        ("hulak.report", "pid", [1, (1 << 31) - 1], [0, 1 << 31, 1 << 63]),
        ("hulak.report", "name", ["n", "n" * 200], ["", "n" * 201]),
        ("hulak.scale", "workers", [0, 1 << 31, "auto"], [-1, 1 << 32, "Auto", 1.0]),
        ("hulak.post", "service", ["s", "s" * 200, "hulak"], ["", "s" * 201, "hulak.", "hulak.post", "mmi.service"]),
        ("hulak.post", "action", ["", "a" * 1000], ["a" * 1001, None]),
        ("hulak.post", "key", ["k", "k" * 200, None], ["", "k" * 201]),
        ("hulak.post", "retries", [0, 20, None], [-1, 21, True]),
        ("hulak.post", "expires_s", [1e-300, 1, YEAR_S, None], [0, -1, YEAR_S + 1, 1e10, math.nan, math.inf]),
        ("hulak.post", "priority", [0, 2], [-1, 3, True, None]),
        ("hulak.result", "wait_ms", [0, 3_600_000], [-1, 3_600_001, 1.0]),
        ("hulak.result", "task", [ID], [ID[1:], ID + b"x", "00" * 16, None]),
        ("hulak.tasks", "state", [None, *map(str, TaskState)], ["", "Done", 1, {"a": 1}]),
        ("hulak.tasks", "limit", [1, 1000, None], [0, 1001]),
        ("hulak.tasks", "before", [ID, None], [b"short", "t" * 16]),
        ("hulak.calls", "limit", [1, 1000], [0, 1001]),
        ("hulak.config.get", "version", [0, FOREVER, None], [-1, 1 << 63]),
        ("hulak.config.applied", "wait_ms", [0, 3_600_000], [-1, 3_600_001, 1.0, None]),
        ("hulak.config.set", "note", ["", "n" * 200], ["n" * 201, None]),
        ("hulak.config.set", "unset", [[], ["k"] * 1000], [["k"] * 1001, [1], "k", [""]]),
        ("hulak.config.history", "limit", [1, 1000], [0, 1001, None]),
        ("hulak.display.create", "symbol", ["X", "X" * 123, "BRK.A", ".X"], ["", "x", "X" * 124, "EUR/USD", "É", "X.", "X\n"]),
        ("hulak.display.create", "display", ["d", "d" * 100, None], ["", "d" * 101, "a b", "a.", "a\0", "a\n"]),
        ("hulak.display.create", "from", [1, FOREVER, None], [0, 1 << 63]),
        ("hulak.display.day", "token", [0, FOREVER], [-1, 1 << 63]),
    ],
)
def test_each_argument_is_taken_at_its_bounds_and_refused_beyond_them(service, name, within, beyond):
    for value in within:
        arguments_of(service, {**ENOUGH.get(service, {}), name: value})
    for value in beyond:
        assert name in refused(service, {**ENOUGH.get(service, {}), name: value})


@pytest.mark.parametrize(
    ("service", "name", "most"),
    [
        ("hulak.report", "values", MOST_BYTES),
        ("hulak.display.create", "init", MAX_INIT_BYTES),
        ("hulak.display.update", "init", MAX_INIT_BYTES),
        ("hulak.display.day", "init", MAX_INIT_BYTES),
    ],
)
def test_a_map_that_is_kept_is_plain_and_bounded_in_depth_and_bytes(service, name, most):
    def report(value):
        return {**ENOUGH.get(service, {}), name: value}

    arguments_of(service, report({"a": [None, True, 1.5, "text", -(1 << 63), (1 << 63) - 1, {"b": []}]}))
    arguments_of(service, report(deep(DEEPEST)))
    arguments_of(service, report({"a": "x" * (most - 6)}))
    assert "deeper than 32 levels" in refused(service, report(deep(DEEPEST + 1)))
    assert f"must have at most {most}" in refused(service, report({"a": "x" * (most - 5)}))
    for wrong in (1 << 63, b"bytes", msgspec.msgpack.Ext(5, b"x"), [{1: 2}]):
        refused(service, report({"a": wrong}))


@pytest.mark.parametrize("service", ["hulak.display.create", "hulak.display.update", "hulak.display.day"])
def test_keys_of_an_init_that_select_ticks_have_their_types(service):
    asked, kept = {"only_source": "kraken", "late_ticks": True}, {"only_source": "any", "kept_source": ""}
    for init in (asked, kept, {"only_source": None, "late_ticks": None}, {"source": 5}):
        assert arguments_of(service, {**ENOUGH[service], "init": init}).init == init
    for name, wrong in (("only_source", 5), ("only_source", "x" * 201), ("kept_source", 5), ("late_ticks", 1)):
        text = refused(service, {**ENOUGH[service], "init": {name: wrong}})
        assert text.startswith(f"argument init.{name} is ")
        assert "must be" in text


@pytest.mark.parametrize(
    "wrong", [[], ["stats"], [""], ["*"], ["tick"], ["trade"], ["tick." + "X" * 200], ["tick.X"] * 1001, "tick.X", [5]]
)
def test_only_topics_of_feeds_can_be_removed(wrong):
    text = refused("hulak.topic.remove", {"topics": wrong})
    assert text.startswith("argument topics is ")
    assert "must be an array of 1 to 1000 topics of feeds" in text
    topics = ["tick.", "tick.EUR*", "trade.NABIL", "market.*"]
    assert arguments("hulak.topic.remove", topics=topics).topics == topics


def test_the_source_of_a_display_is_given_once():
    both = {"symbol": "X", "source": "a", "init": {"only_source": "a"}}
    assert "only one of the two" in refused("hulak.display.create", both)


def test_only_a_report_must_have_finite_numbers():
    for value in (math.nan, math.inf, [-math.inf]):
        assert "finite" in refused("hulak.report", {**ENOUGH["hulak.report"], "values": {"rss_bytes": value}})
        assert arguments("hulak.display.create", symbol="X", init={"price": value}).init


@pytest.mark.parametrize("odd", ["soon", [1], {"s": 1}, True])
def test_the_time_that_a_venue_asked_a_feed_to_wait_is_a_number(odd):
    """Its readers print it with a unit."""
    report = ENOUGH["hulak.report"]
    assert "asked_to_wait_s" in refused("hulak.report", {**report, "values": {"asked_to_wait_s": odd}})
    for known in (0.0, 58.5, None):
        assert arguments("hulak.report", **{**report, "values": {"asked_to_wait_s": known}})


def test_an_unknown_service_is_refused_and_the_known_ones_are_named():
    with pytest.raises(ProtocolError, match=r"'hulak.nope' is unknown; control services are .*hulak\.ping") as caught:
        find("hulak.nope")
    assert caught.value.code == "UNKNOWN_SERVICE"


# Ranges of replays


@pytest.mark.parametrize(
    ("args", "wanted"),
    [
        ({"topic": "tick.EURUSD"}, ReplayRange(b"tick.EURUSD\0", True, 1, FOREVER)),
        ({"topic": "tick.EURUSD", "from": 3, "to": 4}, ReplayRange(b"tick.EURUSD\0", True, 3, 4)),
        ({"topic": "ticks"}, ReplayRange(b"", False, 1, FOREVER)),
        ({"topic": ""}, ReplayRange(b"", False, 1, FOREVER)),
        ({"topic": "tick.EUR*"}, ReplayRange(b"tick.EUR", False, 1, FOREVER)),
        ({"topic": "tick.EUR\0"}, ReplayRange(b"tick.EUR\0", False, 1, FOREVER)),
        ({"topic": "tick."}, ReplayRange(b"tick.", False, 1, FOREVER)),
        ({"topic": "*"}, ReplayRange(b"", False, 1, FOREVER)),
        ({"topic": "ticks", "since_ns": 5, "until_ns": 9}, ReplayRange(b"", False, 1, FOREVER, 5, 9)),
        ({"topic": "ticks", "parts": False}, ReplayRange(b"", False, 1, FOREVER, parts=False)),
        ({"topics": ["tick.A", "tick.B*", "tick.A"]}, ReplayRange(b"tick.", False, 1, FOREVER, among=(b"tick.A\0", b"tick.B"))),
        ({"topics": ["tick.A", "ticks"], "epoch": 7}, ReplayRange(b"", False, 1, FOREVER, epoch=7)),
    ],
)
def test_the_arguments_are_read(args, wanted):
    assert read_wanted(args) == wanted


@pytest.mark.parametrize(
    ("args", "code", "text"),
    [
        ({}, "BAD_ARGUMENT", "argument topic is missing"),
        ({"topic": "ticks", "topics": ["ticks"]}, "BAD_ARGUMENT", "arguments topic and topics are both there"),
        ({"topics": []}, "BAD_ARGUMENT", "argument topics is []"),
        ({"topic": 7}, "BAD_ARGUMENT", "argument topic is 7"),
        ({"topic": "ticks", "form": 1}, "BAD_ARGUMENT", "argument 'form' is unknown"),
        ({"topic": "ticks", "from": -1}, "BAD_ARGUMENT", "argument from is -1"),
        ({"topic": "ticks", "from": "1"}, "BAD_ARGUMENT", "argument from is '1'"),
        ({"topic": "ticks", "from": True}, "BAD_ARGUMENT", "argument from is True"),
        ({"topic": "ticks", "to": 1 << 63}, "BAD_ARGUMENT", "argument to is"),
        ({"topic": "ticks", "from": 9, "to": 8}, "BAD_ARGUMENT", "argument to is 8, must not be below from, which is 9"),
        ({"topic": "tick EURUSD"}, "BAD_TOPIC", "tick EURUSD"),
        ({"topic": "tick.€URUSD"}, "BAD_TOPIC", "tick."),
    ],
)
def test_arguments_that_are_not_allowed_are_refused_with_a_sentence(args, code, text):
    with pytest.raises(ProtocolError, match=re.escape(text)) as caught:
        read_wanted(args)
    assert caught.value.code == code


def test_an_empty_array_is_an_empty_map_and_the_other_way_round():
    assert arguments("hulak.report", kind="feed", name="a", pid=1, values=[]).values == {}
    assert arguments("hulak.post", service="sums", args=[]).args == {}
    assert arguments("hulak.config.set", scope="*", values=[], unset={}).unset == []
    for wrong in ({"args": [1]}, {"action": []}, {"key": {}}):
        with pytest.raises(ProtocolError, match="must be"):
            arguments("hulak.post", service="sums", **wrong)
