"""The examples of all languages with a real broker, which is killed: no tick is missing, and every call is answered."""

import signal
import subprocess
from pathlib import Path

import pytest
from load import Ticks
from local_bus import LocalBus
from test_conformance import EXAMPLE_FILES, command_of
from waiting import eventually

pytestmark = [pytest.mark.system, pytest.mark.full_size, pytest.mark.timeout(300)]
ENDS_S = 90
RATE, BEFORE, FROZEN, COUNT = 1500, 100, 3000, 4000  # ticks/s; ticks printed until it is frozen, posted meanwhile, printed in all


def files_of(stem):
    """Return the examples with this name, in all languages."""
    return [name for name in EXAMPLE_FILES if Path(name).stem.lower() == stem]


@pytest.fixture
def local_bus():
    with LocalBus(**{"broker.subscriber_hwm": 1000}) as local_bus:
        yield local_bus


def started(local_bus, command, *words):
    """Start a program; return it and its output, a file."""
    path = local_bus.home / f"{len(local_bus.processes)}.out"
    with path.open("wb") as out, path.with_suffix(".err").open("wb") as err:
        process = subprocess.Popen([*command, *map(str, words)], cwd=local_bus.home, stdout=out, stderr=err)
    process.log = path.with_suffix(".err")
    local_bus.processes.append(process)
    return process, path


def has_ended(process):
    """Return whether a program has ended, and make sure that it ended well."""
    assert process.poll() in (None, 0), process.log.read_text()
    return process.returncode == 0


def kill_and_start(local_bus, broker):
    """Kill the broker, and start it again."""
    broker.kill()
    broker.wait()
    local_bus.start_broker()


@pytest.mark.parametrize("name", files_of("subscriber"))
def test_a_subscriber_that_is_frozen_while_the_broker_is_killed_prints_every_tick(name, local_bus, tmp_path, request):
    command = command_of(name, tmp_path, request.config)
    broker = local_bus.start_broker()
    with Ticks(local_bus.addresses, "va", RATE, symbols=1) as load:
        where = [local_bus.addresses[socket] for socket in ("publisher", "frontend")]
        eventually(lambda: load.goes_on() and load.posted > 1, within_s=ENDS_S)
        program, out = started(local_bus, command, *where, "tick.VA00", COUNT)
        eventually(lambda: out.read_bytes().count(b"\n") >= BEFORE or has_ended(program), within_s=ENDS_S)
        program.send_signal(signal.SIGSTOP)
        then = load.posted + FROZEN
        eventually(lambda: load.goes_on() and load.posted > then, within_s=ENDS_S)
        kill_and_start(local_bus, broker)
        program.send_signal(signal.SIGCONT)
        eventually(lambda: has_ended(program), within_s=ENDS_S)
    lines = [line.split() for line in out.read_text().splitlines()]
    first = int(lines[0][0])
    wanted = [(number, float(number), number + 0.5) for number in range(first, first + COUNT)]
    assert [(int(number), float(bid), float(ask)) for number, bid, ask in lines] == wanted


@pytest.mark.parametrize("name", files_of("worker"))
def test_calls_are_answered_by_a_worker_before_and_after_the_broker_is_killed(name, local_bus, tmp_path, request):
    worker = command_of(name, tmp_path, request.config)
    call = command_of(next(file for file in files_of("call") if Path(file).suffix == Path(name).suffix), tmp_path, request.config)
    broker = local_bus.start_broker()
    server, _ = started(local_bus, worker, local_bus.addresses["backend"], "sums")

    def answers():
        caller, out = started(local_bus, call, local_bus.addresses["frontend"], "sums", "add", 3)
        eventually(lambda: has_ended(caller), within_s=ENDS_S)
        return [(word, float(value)) for word, value in (line.split() for line in out.read_text().splitlines())]

    wanted = [("reply", 2), ("reply", 4), ("reply", 6)]
    assert answers() == wanted
    kill_and_start(local_bus, broker)
    assert answers() == wanted
    (row,) = local_bus.stats()["workers"]
    with local_bus.client() as client:
        client.call("hulak.retire", args={"worker": row["name"]}, timeout_s=10)
    eventually(lambda: has_ended(server), within_s=ENDS_S)
