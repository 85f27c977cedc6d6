"""Roles of keys: the rights that each gives, and texts that are no role."""

import pytest

from hulak.bus.wire.names import CONFIG, DISPLAYS, HEARTBEAT, HELLO, STATS, TICKS
from hulak.bus.wire.roles import MOST_ROLES, Rights, parse_role, parse_roles


def rights(*roles):
    return Rights(parse_roles(roles))


@pytest.mark.parametrize(
    "text",
    [
        "feed:tick.EURUSD", "feed:tick.*", "feed:tick.kraken.*", "feed:*", "feed:tick*", "subscribe:*", "subscribe:tick.EUR*",
        "feed:bar.*", "feed:every.1s.kraken.*", "feed:state.*", "subscribe:bar.1m.*",
        "subscribe:ticks", "subscribe:heartbeat", "subscribe:display.*", "subscribe:display.gold", "subscribe:displays",
        "subscribe:hulak.*", "submit:nepse", "submit:*", "submit:né pse", "submit:risk.*", "work:display", "read", "control",
    ],
)  # fmt: skip
def test_a_role_is_read_and_shown_as_it_was_written(text):
    assert str(parse_role(text)) == text


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is unknown; allowed are feed:PATTERN"),
        ("subscribe", "has no pattern, must be subscribe:PATTERN with tick.EURUSD, tick.EUR* or *"),
        ("work:", "must be work:PATTERN with a service"),
        ("read:*", "read has no pattern, must be 'read'"),
        ("subscriber:*", "did you mean 'subscribe'?"),
        ("Read", "did you mean 'read'?"),
        ("feed:EURUSD", "must be such as feed:tick.EURUSD"),
        ("feed:ticks", "topics of feeds begin with 'tick.'"),
        ("feed:display.*", "topics of feeds begin with 'tick.'"),
        ("subscribe:EURUSD", "there is no such topic; topics are tick.SYMBOL"),
        ("subscribe:EUR*", "there is no such topic"),
        ("subscribe:tick.", "must be tick.* for all topics that begin so"),
        ("subscribe:tick.*.X", "a star only at its end"),
        ("subscribe:tick.EUR/USD", "a pattern has letters"),
        ("subscribe:tick.EURUSD\n", "a pattern has letters"),
        ("subscribe:tick." + "X" * 130, "at most 129 characters"),
        ("submit:a*b", "the name of a service"),
        ("submit:" + "x" * 202, "at most 200 characters"),
        ("submit:hulak.config.set", "come with the roles read and control"),
        ("work:mmi.*", "come with the roles read and control"),
    ],
)
def test_a_text_that_is_no_role_is_refused_with_what_is_allowed(text, why):
    with pytest.raises(ValueError, match="role") as refused:
        parse_role(text)
    assert why in str(refused.value)


def test_a_key_has_a_bounded_number_of_roles():
    with pytest.raises(ValueError, match="1001 roles, must be at most 1000"):
        parse_roles(f"submit:{number}" for number in range(MOST_ROLES + 1))


SYSTEM = [TICKS, HEARTBEAT, STATS, CONFIG, DISPLAYS, HELLO]


@pytest.mark.parametrize(
    ("role", "permitted", "refused"),
    [
        ("subscribe:tick.EURUSD", [b"tick.EURUSD\0", HEARTBEAT, HELLO],
         [b"", b"t", b"tick.", b"tick.EURUSD", b"tick.EURUSDX\0", b"tick.USDJPY\0", TICKS, STATS, CONFIG, DISPLAYS, b"hulak."]),
        ("subscribe:tick.EUR*", [b"tick.EUR", b"tick.EURUSD\0", b"tick.EURUSD", b"tick.EURJ", HEARTBEAT, b"heartbeat"],
         [b"", b"tick.", b"tick.EU", b"tick.USDJPY\0", TICKS, b"ticks", STATS]),
        ("subscribe:tick.*", [b"tick.", b"tick.X\0", TICKS, b"ticks"], [b"", b"tick", b"t", STATS, b"display.gold\0"]),
        ("subscribe:tick*", [b"tick", b"tick.", b"ticks", TICKS], [b"", b"tic", STATS]),
        ("subscribe:ticks", [TICKS, b"ticks", HEARTBEAT, HELLO], [b"tick.", b"tick.X\0", b""]),
        ("subscribe:*", [b"", b"t", b"tick.X\0", b"\xff", *SYSTEM], []),
        ("subscribe:display.gold", [b"display.gold\0"], [b"display.gold", b"display.", DISPLAYS]),
        ("read", [STATS, CONFIG, DISPLAYS, HELLO, HEARTBEAT], [b"", TICKS, b"tick.X\0", b"stats\0x"]),
        ("control", [STATS, CONFIG, DISPLAYS, HELLO, HEARTBEAT], [b"", TICKS, b"tick.X\0"]),
        ("feed:*", [CONFIG, HELLO], [b"", TICKS, STATS, b"tick.X\0"]),
        ("work:nepse", [CONFIG, HELLO], [b"", TICKS, STATS, DISPLAYS, b"tick.X\0"]),
        ("work:display", [TICKS, b"tick.X\0", b"tick.", DISPLAYS, CONFIG, HEARTBEAT, b"display.gold\0"], [b"", b"tick", STATS]),
        ("submit:*", [], [b"", *SYSTEM, b"tick.X\0"]),
    ],
)  # fmt: skip
def test_a_subscription_is_permitted_only_if_everything_that_it_matches_is(role, permitted, refused):
    of = rights(role)
    assert [prefix for prefix in permitted if not of.may_subscribe(prefix)] == []
    assert [prefix for prefix in refused if of.may_subscribe(prefix)] == []


@pytest.mark.parametrize(
    ("role", "permitted", "refused"),
    [
        ("feed:tick.EURUSD", [b"tick.EURUSD"], [b"tick.EURUSDX", b"tick.EUR", b"display.gold", b"\xff"]),
        ("feed:bar.1m.*", [b"bar.1m.EURUSD"], [b"bar.1s.EURUSD", b"tick.EURUSD", b"state.EURUSD"]),
        ("feed:tick.kraken.*", [b"tick.kraken.BTCUSD"], [b"tick.BTCUSD", b"tick.krakenX.BTCUSD"]),
        ("feed:*", [b"tick.X", b"ticks"], [b"display.gold"]),  # the intake refuses topics that are no feed's
        ("work:display", [b"display.gold"], [b"tick.EURUSD"]),
        ("work:*", [b"display.gold"], [b"tick.EURUSD"]),
        ("work:nepse", [], [b"display.gold", b"tick.EURUSD"]),
        ("control", [], [b"tick.EURUSD", b"display.gold"]),
    ],
)
def test_a_feed_posts_to_its_topics_only_and_display_workers_their_states(role, permitted, refused):
    of = rights(role)
    assert [topic for topic in permitted if not of.may_feed(topic)] == []
    assert [topic for topic in refused if of.may_feed(topic)] == []


def test_services_are_submitted_and_worked_by_their_own_roles():
    of = rights("submit:risk.*", "work:nepse")
    assert [of.may_submit(name) for name in ("risk.var", "risk.", "risk", "nepse")] == [True, True, False, False]
    assert [of.may_work(name) for name in ("nepse", "nepse2", "risk.var")] == [True, False, False]


def test_control_includes_read_and_a_member_is_a_process_that_reports():
    assert [rights("control").may_read, rights("read").may_control] == [True, False]
    roles = ("feed:*", "work:x", "read", "control", "subscribe:*", "submit:*")
    assert [rights(role).is_member for role in roles] == [True, True, True, True, False, False]


def test_a_key_without_roles_may_nothing():
    of = rights()
    assert str(of) == "none"
    assert [of.may_subscribe(b""), of.may_subscribe(HELLO), of.may_feed(b"tick.X"), of.may_submit("x"), of.may_work("x")] == [
        False
    ] * 5


@pytest.mark.parametrize(
    ("role", "owned", "not_owned"),
    [
        ("feed:app.signals", ["signals"], ["signals2", "sig"]),
        ("feed:app.signals.*", ["signals"], ["signals2"]),
        ("feed:app.sig*", ["signals", "sig"], ["si"]),
        ("feed:*", ["signals", "x"], []),
        ("feed:app.*", ["signals"], []),
        ("feed:app.signals.EUR*", [], ["signals"]),
        ("feed:tick.*", [], ["signals", "tick"]),
        ("subscribe:app.signals.*", [], ["signals"]),
        ("control", [], ["signals"]),
    ],
)
def test_a_key_may_own_a_name_if_it_may_post_to_its_topic_or_to_all_below_it(role, owned, not_owned):
    of = rights(role)
    assert [name for name in owned if not of.may_own(name)] == []
    assert [name for name in not_owned if of.may_own(name)] == []


def test_a_key_for_all_ticks_may_not_read_own_topics():
    of = rights("subscribe:tick.*")
    assert of.may_subscribe(TICKS)
    assert not any(map(of.may_subscribe, (b"app.", b"app.signals\0")))
