"""The example subscribers of all languages on a real broker: frozen in a flood while it is killed, they print every tick."""

import signal
import subprocess
from pathlib import Path

import pytest
from load import Ticks
from local_bus import LocalBus
from test_conformance import EXAMPLE_FILES, started
from waiting import eventually

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]
SHORT = ("subscriber.py", "subscriber.rb")  # the others with --long
FLOOD, SHORT_FLOOD, RATE = 20_000, 5_000, 2000  # ticks; ticks/s
SLOW = {"m": 500}  # ending -> flood: Octave decodes some 30 to 1,700 ticks/s, as busy as the machine is
BEFORE, AFTER = 100, 500  # ticks printed until it is frozen, and after the flood
ENDS_S = 120


@pytest.mark.parametrize("name", [name for name in EXAMPLE_FILES if Path(name).stem.lower() == "subscriber"])
def test_an_example_prints_every_tick_of_a_flood_in_which_it_was_frozen_and_the_broker_killed(name, tmp_path, request, long):
    if not long and name not in SHORT:
        pytest.skip("with --long")
    command = started(name, tmp_path, request.config)
    flood = SLOW.get(name.partition(".")[2], FLOOD) if long else SHORT_FLOOD
    count = BEFORE + flood + AFTER
    log, path = tmp_path / "err", tmp_path / "out"
    with LocalBus(**{"broker.subscriber_hwm": 1000}) as local_bus, path.open("wb") as out, log.open("wb") as err:
        broker = local_bus.start_broker()
        with Ticks(local_bus.addresses, "va", RATE, symbols=1) as load:
            eventually(lambda: load.goes_on() and load.posted > 1, within_s=ENDS_S)
            words = (local_bus.addresses["publisher"], local_bus.addresses["frontend"], "tick.VA00", str(count))
            program = subprocess.Popen([*command, *words], stdout=out, stderr=err)
            local_bus.processes.append(program)
            eventually(lambda: path.read_bytes().count(b"\n") >= BEFORE, within_s=ENDS_S)
            program.send_signal(signal.SIGSTOP)
            then = load.posted + flood
            eventually(lambda: load.goes_on() and load.posted > then, within_s=ENDS_S)
            broker.kill()
            broker.wait()
            local_bus.start_broker()
            program.send_signal(signal.SIGCONT)
            eventually(lambda: program.poll() is not None, within_s=ENDS_S)
    assert program.returncode == 0, log.read_text()
    lines = [tuple(map(float, line.split())) for line in path.read_text().splitlines()]
    first = int(lines[0][0])
    assert lines == [(number, number, number + 0.5) for number in range(first, first + count)]
