"""Every field of every request, report and result, at and beyond its bounds, while a bus is at work: others are not disturbed."""

import itertools
import random
import secrets

import bare
import hostile
import pytest
from contents import judge_replay
from load import Neighbours, Pings, Recording, Service, Ticks
from local_bus import LocalBus
from verdicts import verdict
from waiting import eventually

pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]
SEED = 20261128
ANSWERS_S = 30.0
PING_S, SHORT_PING_S = 1.0, 15.0  # the short form shares the machine with other tests
WITHIN_S = 30
WINDOW = 50  # requests under way at a time


def ask_everything(local_bus, requests):
    """Send requests, some at a time; each is answered, by a REPLY or an ERROR. Returns the codes that came."""
    asker, codes = bare.Asker(local_bus.addresses["frontend"]), set()
    for at in range(0, len(requests), WINDOW):
        asked = {secrets.token_bytes(16): request for request in requests[at : at + WINDOW]}
        for request_id, (service, args, options) in asked.items():
            asker.socket.send(hostile.frame(b"Q", [request_id, service, "", args, options]))
        codes |= answers_to(asker, asked)
    asker.close()
    return codes


def answers_to(asker, asked):
    """Wait until each of these is answered, by its id, or without one where it could not be read; returns the codes."""
    codes, unread = set(), 0
    while len(asked) > unread:
        result = asker.receive(ANSWERS_S)
        assert result is not None, f"no answer to {str(list(asked.values()))[:500]}"
        kind, values = result
        if kind in b"RE":
            unread += values[0] is None
            asked.pop(values[0], None)
            codes |= {values[1]} if kind == b"E" else set()
    return codes


def send_frames(where, frames):
    """Send frames, each from a separate peer; replies are not read."""
    socket = bare.dealer(where)
    for frame in frames:
        socket.send(frame)
    socket.close(linger=2000)


def answer_tasks(local_bus, asker, count):
    """Take tasks as a worker, and answer each with another hostile result; returns the tasks' ids."""
    ids = [asker.ask("hulak.post", {"service": "fuzz", "action": "a", "retries": 0})["task"] for _ in range(count)]
    socket = bare.dealer(local_bus.addresses["backend"])
    socket.send(hostile.frame(b"Y", ["fuzz", f"fuzz/{secrets.token_hex(4)}", 1024, [], {}]))
    taken = 0
    while taken < count:
        assert socket.poll(WITHIN_S * 1000), f"only {taken} of {count} tasks were given to the worker"
        frame = socket.recv()
        if frame[:1] == b"T":
            task, attempt = bare.unpack(frame[1:])[:2]
            socket.send(next(itertools.islice(hostile.results(task, attempt), taken, None)))
            taken += 1
    socket.send(hostile.frame(b"G", ["done"]))
    socket.close(linger=2000)
    return ids


def test_no_value_of_any_field_disturbs_a_neighbour(long, record_figure):
    """Full: each field alone, and 20,000 times two of them; short: each field with each value."""
    draw, requests = random.Random(SEED), list(hostile.requests())
    if long:
        requests += [pair(draw) for _ in range(20_000)]
    draw.shuffle(requests)
    count = sum(1 for _ in hostile.results(b"", 0))
    with LocalBus(**{"task.retries": 0}) as local_bus:
        broker = local_bus.start_broker()
        asker = bare.Asker(local_bus.addresses["frontend"])
        with (
            Service(local_bus.addresses),
            Ticks(local_bus.addresses, "load", 500, 28) as ticks,
            Recording(local_bus.addresses) as recording,
            Neighbours(local_bus.addresses) as neighbours,
            Pings(local_bus.addresses) as pings,
        ):
            eventually(lambda: neighbours.goes_on() and neighbours.posts, within_s=WITHIN_S)
            codes = ask_everything(local_bus, requests)
            send_frames(local_bus.addresses["frontend"], hostile.broken())
            for frame in hostile.of_workers("odd", "odd/1"):
                send_frames(local_bus.addresses["backend"], [frame])
            ids = answer_tasks(local_bus, asker, count)
            done = neighbours.posts
            eventually(lambda: neighbours.goes_on() and neighbours.posts > done + 5, within_s=WITHIN_S)
            slowest_s = pings.slowest_s()
        assert broker.poll() is None, broker.log.read_text()[-2000:]
        for task in ids:
            asker.ask("hulak.cancel", {"task": task})
            assert asker.ask("hulak.result", {"task": task, "wait_ms": 5000}, within_s=8)["ended_ns"] is not None
        rows, missing = asker.replay()
        stats = asker.ask("hulak.stats")
        level, findings = verdict(local_bus, unserved=True)
        asker.close()
    record_figure(
        f"hostile fields: {len(requests):,} requests answered ({', '.join(sorted(codes))}), {len(ids):,} results; meanwhile "
        f"{neighbours.calls:,} calls and {neighbours.posts:,} posts of others, slowest {neighbours.slowest_s:.2f} s, ping "
        f"{slowest_s * 1000:.0f} ms; {level} {list(findings)}"
    )
    assert (missing, judge_replay(rows, {"load": ticks.safe}), recording.conflicts) == ([], [], [])
    assert (stats["journal"]["state"], stats["store"]["state"]) == ("live", "live")
    assert stats["broker"]["pid"] == broker.pid
    assert level in ("OK", "WARNING"), findings
    assert [text for text in findings if "applied" not in text] == [], "reports of a version may be among what was asked"
    assert slowest_s < (PING_S if long else SHORT_PING_S)
    assert "INTERNAL" not in codes


def pair(draw):
    """Make a request with two things wrong."""
    service = draw.choice([request for request, args in hostile.REQUESTS.items() if args])
    args = hostile.REQUESTS[service]
    for _ in range(2):
        args = hostile.replaced(args, draw.choice(sorted(args)), draw.choice(hostile.VALUES))
    return service, args, {} if service.startswith("hulak.") else hostile.SOON
