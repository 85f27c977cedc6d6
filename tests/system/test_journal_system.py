"""A broker's journal with real processes: what lies in its folder, or that nothing can be written there, stops nobody."""

import errno
import os
import subprocess

import pytest
import zmq
from local_bus import LocalBus
from waiting import eventually

from bus.core.journal.segment_names import name_of
from bus.errors import ConfigError
from bus.process import sockets
from bus.wire import codec
from bus.wire.messages import FIRST_MS, Request, Tick

pytestmark = pytest.mark.system


@pytest.fixture
def house():
    with LocalBus() as made:
        yield made


def post(house, count):
    """Send ticks as an unnumbered feed, and wait until they are taken."""
    taken = house.stats()["ticks"]["taken"]
    with zmq.Context() as context, context.socket(zmq.XPUB) as feed:
        feed.linger = 0
        feed.connect(house.addresses["collector"])
        assert feed.poll(10_000)
        for price in range(1, count + 1):
            tick = Tick("EURUSD", float(price), price + 0.5, FIRST_MS + price, "test")
            feed.send(codec.feed_frame(tick.symbol, 0, price, 1, codec.pack_tick(tick)))
        eventually(lambda: house.stats()["ticks"]["taken"] == taken + count, within_s=10)


def test_a_broker_starts_whatever_lies_in_its_journals_folder(house):
    broker = house.start_broker()
    post(house, 50)
    broker.kill()
    broker.wait()
    folder = house.home / "journal"
    [path] = folder.glob("*.hj")
    (folder / "backup.hj").write_bytes(path.read_bytes())
    (folder / name_of(8, 0)).write_bytes(path.read_bytes())
    (folder / name_of(9, 77)).write_bytes(os.urandom(500))
    (folder / name_of(11, 0)).mkdir()
    house.start_broker()
    told = house.stats()["journal"]
    assert told["aside"] == [name_of(8, 0), name_of(9, 77), name_of(11, 0)]
    assert (told["state"], house.stats()["ticks"]["taken"]) == ("live", 50)
    assert sorted(one.name for one in (folder / "aside").iterdir()) == [name_of(8, 0), name_of(9, 77)]
    assert (folder / "backup.hj").exists()
    post(house, 10)
    out, _ = house.hulak("replay", "ticks", "--json", out=subprocess.PIPE).communicate(timeout=30)
    assert len(out.splitlines()) == 60
    out, _ = house.hulak("check", "--feeds", "0", "--workers", "0", out=subprocess.PIPE).communicate(timeout=30)
    assert b"journal files set aside at the start" in out


def test_a_folder_that_cannot_be_written_leaves_ticks_in_memory_until_it_can(house):
    (house.home / "journal").write_text("a file in the folder's place")
    house.start_broker()
    told = house.stats()["journal"]
    assert (told["state"], told["segments"], told["oldest"]) == ("degraded", 0, 1)
    assert os.strerror(errno.EEXIST) in told["why"]
    post(house, 30)
    assert house.stats()["journal"]["held"] == 30
    epoch = house.stats()["broker"]["epoch"]
    (house.home / "journal").unlink()
    eventually(lambda: house.stats()["journal"]["state"] == "live", within_s=10)
    post(house, 5)
    told = house.stats()
    assert (told["journal"]["held"], told["journal"]["lost"], told["broker"]["epoch"]) == (0, 0, epoch)
    out, _ = house.hulak("replay", "ticks", "--json", out=subprocess.PIPE).communicate(timeout=30)
    assert len(out.splitlines()) == 35


def test_where_no_sockets_file_can_be_made_there_is_the_address(house):
    """As on a disk that is full or read-only; here the folder is missing."""
    with zmq.Context() as context, sockets.bind(context, house.settings.broker, house.home / "none", "frontend", lambda _: None):
        assert sockets.endpoint(house.settings.broker, house.home / "none", "frontend") == house.addresses["frontend"]


def test_a_sockets_file_that_cannot_be_made_on_a_disk_that_is_well_is_refused(house):
    (house.home / "run" / "frontend.ipc").mkdir(parents=True)
    with zmq.Context() as context, pytest.raises(ConfigError, match="cannot be bound"):
        sockets.bind(context, house.settings.broker, house.home, "frontend", lambda _: None)


def test_a_req_socket_replays_all_ticks_with_one_answer_for_each_request(house):
    house.start_broker()
    post(house, 50)
    got, following = [], 1
    with zmq.Context() as context, context.socket(zmq.REQ) as asks:
        asks.linger, asks.rcvtimeo = 0, 10_000
        asks.connect(house.addresses["frontend"])
        for number in range(1, 3):
            asked = {"topic": "ticks", "from": following, "to": 30 * number, "parts": False}
            asks.send(codec.encode(Request(os.urandom(16), "hulak.replay", "", asked)))
            told = codec.decode_to_client(asks.recv()).value
            got += [row for row, _ in told["ticks"]]
            following = got[-1] + 1
    assert got == list(range(1, 51))
    assert (told["count"], told["next"], told["missing"]) == (20, None, [])
    assert codec.decode_publication(told["ticks"][-1][1]).stamp.sequence == 50
