"""A broker's journal with real processes: neither foreign files in its folder nor a full disk prevents a start."""

import errno
import os
import subprocess

import pytest
import zmq
from local_bus import LocalBus
from waiting import eventually

from hulak.bus.core.journal.segment_names import name_of
from hulak.bus.errors import ConfigError
from hulak.bus.process import endpoints, listening
from hulak.bus.wire import codec
from hulak.bus.wire.messages import FIRST_MS, Request, Tick

pytestmark = pytest.mark.system


@pytest.fixture
def local_bus():
    with LocalBus() as made:
        yield made


def post(local_bus, count):
    """Send ticks as an unnumbered feed, and wait until they are accepted."""
    taken = local_bus.stats()["ticks"]["taken"]
    with zmq.Context() as context, context.socket(zmq.XPUB) as feed:
        feed.linger = 0
        feed.connect(local_bus.addresses["collector"])
        assert feed.poll(10_000)
        for price in range(1, count + 1):
            tick = Tick("EURUSD", float(price), price + 0.5, FIRST_MS + price, "test")
            feed.send(codec.feed_frame(tick.symbol, 0, price, 1, codec.pack_tick(tick)))
        eventually(lambda: local_bus.stats()["ticks"]["taken"] == taken + count, within_s=30)


def test_a_broker_starts_with_any_files_in_its_journals_folder(local_bus):
    broker = local_bus.start_broker()
    post(local_bus, 50)
    broker.kill()
    broker.wait()
    folder = local_bus.home / "journal"
    [path] = folder.glob("*.hj")
    (folder / "backup.hj").write_bytes(path.read_bytes())
    (folder / name_of(8, 0)).write_bytes(path.read_bytes())
    (folder / name_of(9, 77)).write_bytes(os.urandom(500))
    (folder / name_of(11, 0)).mkdir()
    local_bus.start_broker()
    journal = local_bus.stats()["journal"]
    assert journal["aside"] == [name_of(8, 0), name_of(9, 77), name_of(11, 0)]
    assert (journal["state"], local_bus.stats()["ticks"]["taken"]) == ("live", 50)
    assert sorted(file.name for file in (folder / "aside").iterdir()) == [name_of(8, 0), name_of(9, 77)]
    assert (folder / "backup.hj").exists()
    post(local_bus, 10)
    out, _ = local_bus.hulak("replay", "ticks", "--json", out=subprocess.PIPE).communicate(timeout=30)
    assert len(out.splitlines()) == 60
    out, _ = local_bus.hulak("check", "--feeds", "0", "--workers", "0", out=subprocess.PIPE).communicate(timeout=30)
    assert b"journal files set aside at the start" in out


def test_a_folder_that_cannot_be_written_leaves_ticks_in_memory_until_it_can(local_bus):
    (local_bus.home / "journal").write_text("a file in the folder's place")
    local_bus.start_broker()
    stats = local_bus.stats()["journal"]
    assert (stats["state"], stats["segments"], stats["oldest"]) == ("degraded", 0, 1)
    assert os.strerror(errno.EEXIST) in stats["why"]
    post(local_bus, 30)
    assert local_bus.stats()["journal"]["held"] == 30
    epoch = local_bus.stats()["broker"]["epoch"]
    (local_bus.home / "journal").unlink()
    eventually(lambda: local_bus.stats()["journal"]["state"] == "live", within_s=30)
    post(local_bus, 5)
    stats = local_bus.stats()
    assert (stats["journal"]["held"], stats["journal"]["lost"], stats["broker"]["epoch"]) == (0, 0, epoch)
    out, _ = local_bus.hulak("replay", "ticks", "--json", out=subprocess.PIPE).communicate(timeout=30)
    assert len(out.splitlines()) == 35


def test_without_a_socket_file_there_is_the_tcp_address(local_bus):
    """As on a full or read-only disk; here the folder is missing."""
    with (
        zmq.Context() as context,
        listening.bind(context, local_bus.settings.broker, local_bus.home / "none", "frontend", lambda _: None),
    ):
        assert str(endpoints.find(local_bus.settings, local_bus.home / "none", "frontend")) == local_bus.addresses["frontend"]


def test_a_socket_file_that_cannot_be_made_on_a_working_disk_is_refused(local_bus):
    (local_bus.home / "run" / "frontend.ipc").mkdir(parents=True)
    with zmq.Context() as context, pytest.raises(ConfigError, match="cannot be bound"):
        listening.bind(context, local_bus.settings.broker, local_bus.home, "frontend", lambda _: None)


def test_a_req_socket_replays_all_ticks_with_one_answer_for_each_request(local_bus):
    local_bus.start_broker()
    post(local_bus, 50)
    got, following = [], 1
    with zmq.Context() as context, context.socket(zmq.REQ) as asks:
        asks.linger, asks.rcvtimeo = 0, 10_000
        asks.connect(local_bus.addresses["frontend"])
        for number in range(1, 3):
            asked = {"topic": "ticks", "from": following, "to": 30 * number, "parts": False}
            asks.send(codec.encode(Request(os.urandom(16), "hulak.replay", "", asked)))
            value = codec.decode_to_client(asks.recv()).value
            got += [row for row, _ in value["ticks"]]
            following = got[-1] + 1
    assert got == list(range(1, 51))
    assert (value["count"], value["next"], value["missing"]) == (20, None, [])
    assert codec.decode_publication(value["ticks"][-1][1]).stamp.sequence == 50
