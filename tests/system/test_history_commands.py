"""`hulak replay`, `hulak last` and `hulak journal`, on the journal of a real broker."""

import json
import subprocess
from datetime import UTC, datetime

import pytest
import zmq
from local_bus import LocalBus
from waiting import eventually

from hulak.bus.core.journal.segment_names import name_of
from hulak.bus.wire import codec
from hulak.bus.wire.messages import FIRST_MS, Tick

pytestmark = pytest.mark.system
SYMBOLS = ("EURUSD", "EURJPY", "USDJPY")


@pytest.fixture(scope="module")
def post():
    """A broker that has had 3 x 40 ticks, with prices 1 to 120."""
    with LocalBus() as local_bus:
        local_bus.start_broker()
        context = zmq.Context()
        feed = context.socket(zmq.XPUB)
        feed.connect(local_bus.addresses["collector"])
        assert feed.poll(10_000)
        for price in range(1, 121):
            tick = Tick(SYMBOLS[price % 3], float(price), price + 0.5, FIRST_MS + price, "test")
            feed.send(codec.feed_frame(tick.symbol, 0, 1, 1, codec.pack_tick(tick)))
        eventually(lambda: local_bus.stats()["ticks"]["taken"] == 120, within_s=30)
        context.destroy(linger=0)
        yield local_bus


def run(local_bus, *words, code=0):
    process = local_bus.hulak(*words, out=subprocess.PIPE)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == code, process.log.read_text()
    return out.decode(), process.log.read_text()


def json_lines(text):
    return [json.loads(line) for line in text.splitlines()]


def test_a_topic_is_replayed_by_its_sequences(post):
    out, _ = run(post, "replay", "tick.EURJPY", "--from", "5", "--to", "8", "--json")
    assert [(line["topic"], line["sequence"], line["bid"]) for line in json_lines(out)] == [
        ("tick.EURJPY", number, 3.0 * number - 2) for number in (5, 6, 7, 8)
    ]


def test_everything_and_a_prefix_are_replayed_in_the_global_order_of_all_ticks(post):
    out, _ = run(post, "replay", "--json")
    assert [line["bid"] for line in json_lines(out)] == [float(price) for price in range(1, 121)]
    out, _ = run(post, "replay", "tick.EUR*", "--from", "61", "--json")
    assert [line["bid"] for line in json_lines(out)] == [float(price) for price in range(61, 121) if price % 3 != 2]


def test_a_replay_since_a_time_has_all_ticks_after_it_and_one_until_then_none(post):
    out, _ = run(post, "replay", "ticks", "--since", "10m", "--json")
    assert len(out.splitlines()) == 120
    out, _ = run(post, "replay", "ticks", "--until", "10m", "--json")
    assert out == ""


def test_a_malformed_time_and_a_topic_without_messages_are_refused_with_a_reason(post):
    _, error = run(post, "replay", "ticks", "--since", "yesterday", code=2)
    assert "'yesterday' is not a time, must be such as" in error
    _, error = run(post, "replay", "tick.XXX", code=1)
    assert "tick.XXX" in error


def test_last_values_are_those_of_one_topic_or_of_all_under_a_prefix(post):
    out, _ = run(post, "last", "tick.USDJPY", "--json")
    assert [(line["topic"], line["sequence"], line["bid"]) for line in json_lines(out)] == [("tick.USDJPY", 40, 119.0)]
    out, _ = run(post, "last", "--json")
    assert [line["topic"] for line in json_lines(out)] == ["tick.EURJPY", "tick.EURUSD", "tick.USDJPY"]
    run(post, "last", "tick.XXX", code=1)


@pytest.mark.parametrize(
    ("topic", "text"),
    [
        ("tick.EURUSX", "on 'tick.EURUSX' yet; did you mean 'tick.EURUSD'"),
        ("tikc.EURUSD", "on 'tikc.EURUSD' yet; did you mean 'tick.EURUSD'"),
        ("usdjpy", "on 'usdjpy' yet; did you mean 'tick.USDJPY'?"),
        ("XAG", "on 'XAG' yet; the ticks of a symbol are on 'tick.XAG'"),
        ("tikc.*", "below 'tikc.*' yet; did you mean 'tick.'?"),
        ("tick.XYZ*", "below 'tick.XYZ*' yet"),
        ("app.later", "on 'app.later' yet"),
    ],
)
def test_a_subscription_to_a_topic_without_a_message_gets_a_note_and_goes_on(post, topic, text):
    out, error = run(post, "sub", topic, "--timeout", "3", code=3)
    note, end = error.splitlines()
    assert note.startswith(f"hulak: no message was published {text}")
    assert (out, "no message for 3 s" in end) == ("", True)


def test_a_subscription_that_has_messages_gets_no_note(post):
    assert run(post, "sub", "tick.EURUSD", "--timeout", "3", code=3)[1].count("hulak: ") == 1, "only the end"
    assert "no message was" not in run(post, "sub", "ticks", "--timeout", "3", code=3)[1]


def test_the_journal_is_listed_and_exported_without_the_broker(post):
    out, _ = run(post, "journal", "ls", "--json")
    [segment] = json.loads(out)
    assert (segment["ticks"], segment["first"], segment["last"]) == (120, 1, 120)
    assert segment["epoch"] == post.stats()["broker"]["epoch"]
    out, _ = run(post, "journal", "export", "--topic", "tick.EURUSD", "--format", "csv")
    head, *lines = out.splitlines()
    assert head == "time_ns,topic,sequence,timestamp,received_ns,bid,ask,flags,source"
    assert [line.split(",")[1:] for line in lines[:2]] == [
        ["tick.EURUSD", "1", str(FIRST_MS + 3), "", "3.0", "3.5", "", "test"],
        ["tick.EURUSD", "2", str(FIRST_MS + 6), "", "6.0", "6.5", "", "test"],
    ]
    assert len(lines) == 40


def test_an_export_has_the_requested_times(post):
    out, _ = run(post, "journal", "export", "--topic", "tick.EURUSD")
    stamps = [line["time_ns"] for line in json_lines(out)]
    moments = [datetime.fromtimestamp(ns / 1e9, UTC).isoformat() for ns in (stamps[0] - 10**9, stamps[-1] + 10**9)]
    for since, until, count in ((*moments, 120), (moments[1], "2099-01-01", 0), ("1h", moments[0], 0)):
        out, _ = run(post, "journal", "export", "--since", since, "--until", until)
        assert len(out.splitlines()) == count


def test_a_journal_is_verified_and_damage_is_named(post, tmp_path):
    out, _ = run(post, "journal", "verify")
    assert "1 segments, 120 ticks, 0 segments damaged" in out
    copy = tmp_path / "journal"
    copy.mkdir()
    [path] = (post.home / "journal").glob("*.hj")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    (copy / path.name).write_bytes(data)
    out, _ = run(post, "journal", "verify", "--home", str(tmp_path), code=1)
    assert "are not a record" in out
    assert "119 ticks, 1 segments damaged" in out
    _, error = run(post, "journal", "ls", "--home", str(tmp_path / "nowhere"), code=78)
    assert "no journal in" in error


def test_files_in_the_journals_folder_that_are_no_segments_are_not_counted(post, tmp_path):
    folder = tmp_path / "journal"
    folder.mkdir()
    [path] = (post.home / "journal").glob("*.hj")
    for name in (path.name, "backup.hj", f"{path.stem} (copy).hj", f"._{path.name}"):
        (folder / name).write_bytes(path.read_bytes())
    (folder / name_of(7, 0)).mkdir()
    out, _ = run(post, "journal", "verify", "--home", str(tmp_path))
    assert "1 segments, 120 ticks, 0 segments damaged" in out
    (folder / name_of(9, 0)).write_bytes(path.read_bytes())
    (folder / name_of(10, 500)).write_bytes(b"HJ noise")
    out, error = run(post, "journal", "verify", "--home", str(tmp_path), code=1)
    assert "1 segments, 120 ticks, 0 segments damaged" in out
    assert f"{name_of(9, 0)}: not a segment of this journal: it is a copy of segment 1" in error
    assert f"{name_of(10, 500)}: not a segment of this journal: there is no whole record in its first 8 bytes" in error
    out, _ = run(post, "journal", "export", "--home", str(tmp_path))
    assert len(out.splitlines()) == 120
    out, _ = run(post, "journal", "ls", "--json", "--home", str(tmp_path))
    assert [segment["segment"] for segment in json.loads(out)] == [path.name]


def test_topics_are_listed_and_removed_and_many_only_after_confirmation(post):
    rows = json.loads(run(post, "topics", "--json")[0])
    assert [(row["topic"], row["number"]) for row in rows] == [(f"tick.{name}", 40) for name in ("EURJPY", "EURUSD", "USDJPY")]
    assert run(post, "topics", "ls", "tick.USDJPY")[0].splitlines()[1].startswith("tick.USDJPY\t40\t")
    run(post, "topics", "ls", "stats", code=2)
    run(post, "topics", "rm", code=2)
    _, error = run(post, "topics", "rm", "tick.E*", code=1)
    assert "Remove 2 topics, tick.EURJPY, tick.EURUSD?" in error
    run(post, "topics", "rm", "tick.E*", "--json", code=2)
    assert len(json.loads(run(post, "topics", "--json")[0])) == 3
    assert run(post, "topics", "rm", "tick.EURJPY", "tick.NEVER")[0] == "removed: tick.EURJPY\n"
    assert json.loads(run(post, "topics", "rm", "tick.E*", "--yes", "--json")[0]) == {"removed": ["tick.EURUSD"]}
    run(post, "topics", "rm", "tick.E*", "--yes", code=1)
    assert [row["topic"] for row in json_lines(run(post, "last", "--json")[0])] == ["tick.USDJPY"]
    assert post.stats()["ticks"]["removed"] == 2
