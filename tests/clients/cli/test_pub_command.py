"""`hulak pub` and `hulak topics` on a real broker: own topics are published, listed and removed."""

import json

import pytest
from click.testing import CliRunner
from local_bus import LocalBus

from hulak.bus.errors import FeedError
from hulak.clients.cli import cli
from hulak.clients.cli.pub import Pace, body_of
from hulak.clients.history import History, last_events
from hulak.clients.own_topics import Publisher


@pytest.fixture(scope="module")
def local_bus():
    with LocalBus() as made:
        made.start_broker()
        yield made


@pytest.fixture
def run(local_bus):
    def run(*words, code=0, given=None):
        result = CliRunner().invoke(cli, words, prog_name="hulak", env=local_bus.variables, input=given)
        assert result.exit_code == code, result.output
        return result

    return run


def last(local_bus, topic):
    with local_bus.client() as client:
        return [(event.topic, event.stamp.sequence, event.body) for event in last_events(client, topic)]


def test_one_message_is_published_and_confirmed(run, local_bus):
    body = {"side": "buy", "size": 2, "symbol": "EURUSD"}
    output = run("pub", "app.one.EURUSD", json.dumps(body)).output
    assert output == "published 1 message on app.one.EURUSD, not journalled\n"
    result = json.loads(run("pub", "app.one", "null", "--json").output)
    assert result == {
        "topic": "app.one", "posted": 1, "confirmed": 1, "refused": 0, "journalled": False, "errors": {},
    }  # fmt: skip
    assert last(local_bus, "app.one*") == [("app.one", 1, None), ("app.one.EURUSD", 1, body)]


def test_lines_of_standard_input_are_published_in_order_and_journalled(run, local_bus):
    lines = "".join(f"{json.dumps(number)}\n\n" for number in range(300))
    output = run("pub", "app.many", "-", "--journal", "--rate", "100000", given=lines).output
    assert output == "published 300 messages on app.many, in the journal\n"
    assert json.loads(run("pub", "app.many", '"more"', "--json").output)["journalled"] is True  # as they are
    with local_bus.client() as client:
        assert [event.body for event in History(client, "app.many")] == [*range(300), "more"]
    [line] = run("sub", "app.many", "--from", "301", "--count", "1", "--json").output.splitlines()[:1]
    assert json.loads(line)["body"] == "more"


def test_a_line_that_is_no_json_ends_the_input_and_those_before_it_are_published(run, local_bus):
    result = run("pub", "app.cut", "-", code=1, given="1\n2\n{3\n4\n")
    assert "published 2 messages on app.cut" in result.output
    assert "line 3 is '{3', must be JSON" in result.output
    assert last(local_bus, "app.cut") == [("app.cut", 2, 2)]


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("tick.EURUSD", "1"), "must be 'app.NAME' or begin with 'app.NAME.'"),
        (("app.", "1"), "must be letters"),
        (("app.a b", "1"), "must be letters"),
        (("app.a", "hello"), "BODY is 'hello', must be JSON"),
        (("app.a", "NaN"), "NaN is not JSON"),
        (("app.a", '{"n":1,"n":2}'), "name 'n' is there twice"),
        (("app.a", "1", "--rate", "5"), "--rate goes with '-'"),
        (("app.a", "-", "--rate", "1e-300"), "is not in the range"),
    ],
)
def test_wrong_arguments_are_usage_errors(run, words, why):
    assert why in run("pub", *words, code=2).output


def test_a_body_that_msgpack_cannot_hold_is_refused(run):
    assert "which msgpack cannot hold" in run("pub", "app.a", str(1 << 64), code=1).output


def test_messages_that_the_broker_refuses_and_names_of_others_are_errors(run, local_bus):
    large = json.dumps("x" * 70_000)
    assert "refused 1 messages: app.large (TOO_LARGE)" in run("pub", "app.large", large, code=1).output
    result = json.loads(run("pub", "app.large", large, "--json", code=1).output)
    assert (result["refused"], result["confirmed"]) == (1, 0)
    with Publisher("held", settings=local_bus.settings, home=local_bus.home) as owner:
        owner.post(1)
        error = json.loads(run("pub", "app.held", "1", "--json", code=1).output)["error"]
        assert error["code"] == "NOT_YOURS"
        assert "'app.held' is owned by" in error["text"]
        rows = json.loads(run("topics", "ls", "app.held", "--json").output)
        assert [(row["topic"], row["number"], row["journalled"]) for row in rows] == [("app.held", 1, False)]
        assert rows[0]["owner"]


def test_own_topics_are_listed_and_removed_also_by_the_former_name_of_the_command(run, local_bus):
    run("pub", "app.kept.a", "1", "--journal")
    run("pub", "app.kept", "2")
    assert [line.split("\t")[:4] for line in run("topic", "ls", "app.kept*").output.splitlines()] == [
        ["topic", "number", "source or owner", "journalled"],
        ["app.kept", "1", "-", "yes"],
        ["app.kept.a", "1", "-", "yes"],
    ]
    assert {row["topic"] for row in json.loads(run("topics", "--json").output)} >= {"app.kept", "app.kept.a"}
    assert "must begin with 'tick.', 'app.'" in run("topics", "ls", "stats", code=2).output
    assert run("topics", "rm", "app.kept", "app.kept.*", "--yes").output == "removed: app.kept, app.kept.a\n"
    assert last(local_bus, "app.kept*") == []


def test_a_pace_waits_from_message_to_message_and_makes_up_for_at_most_one():
    now, waits = [0.0], []

    def sleep(seconds):
        waits.append(round(seconds, 3))
        now[0] += seconds

    pace = Pace(10.0, lambda: now[0], sleep)
    for spent in (0.0, 0.05, 0.5, 0.0):
        pace.wait()
        now[0] += spent
    assert waits == [0.1, 0.05]
    free = Pace(None, lambda: now[0], sleep)
    for _ in range(5):
        free.wait()
    assert len(waits) == 2


def test_a_line_that_is_not_utf8_is_refused_and_those_before_it_are_published(run):
    output = run("pub", "app.bytes", "-", code=1, given=b"1\n" * 9000 + b"\xff\n").output
    assert "is not UTF-8" in output


@pytest.mark.parametrize("text", ["", "{", "Infinity", "1e999", "[-1e999]", "[" * 100_000])
def test_a_text_that_is_no_json_is_refused_with_its_place(text):
    with pytest.raises(FeedError, match="line 7 is "):
        body_of(text, "line 7")
