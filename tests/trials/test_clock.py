"""The wall clock jumps: it is only ever a stamp, nothing is timed by it."""

import shutil
import time
from pathlib import Path

import pytest
from stage import Stage
from waiting import eventually

from hulak.bus.wire import codec

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]
JUMPS = ("+1h", "-1d", "+1d", "-1h", "+0")
WITHIN_S = 20


@pytest.mark.skipif(shutil.which("faketime") is None, reason="without faketime no clock can be made to jump")
def test_jumps_of_the_wall_clock_delay_nothing_and_lose_nothing(tmp_path, record_figure):
    clock = tmp_path / "clock"
    clock.write_text("+0")
    with Stage(tmp_path) as stage:
        stage.variables |= {"FAKETIME_TIMESTAMP_FILE": str(clock), "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        stage.variables |= {"LD_PRELOAD": faketime_library()}
        stage.broker = stage.start_broker()
        for name in ("LD_PRELOAD", "FAKETIME_TIMESTAMP_FILE"):
            del stage.variables[name]  # the broker's clock alone jumps
        stage.start_subscribers(["ticks"], ["tick."])
        stage.start_feed()
        offsets, began = [], time.monotonic()
        with stage.subscriber("heartbeat") as subscriber:
            for jump in JUMPS:
                clock.write_text(jump)
                jumped_ns = time.time_ns() + seconds_of(jump) * 10**9
                eventually(lambda jumped_ns=jumped_ns: shows(subscriber, jumped_ns), within_s=WITHIN_S)
                beats = [subscriber.poll(WITHIN_S) for _ in range(6)]
                assert all(beats)
                offsets.append(jump)
                taken = stage.stats()["ticks"]["taken"]
                eventually(lambda taken=taken: stage.stats()["ticks"]["taken"] > taken + 300, within_s=WITHIN_S)
        took_s = time.monotonic() - began
        assert stage.stats()["journal"]["state"] == "live"
        stage.end()
        report, readers = stage.check()
    record_figure(f"clock: {report}\n  jumps {', '.join(offsets)} in {took_s:.1f} s")
    assert report.clean(), report
    assert report.confirmed == report.attempted
    assert all(reader.counters["lost"] == 0 for reader in readers.values())


def faketime_library():
    """Find the library that `faketime` loads."""
    places = ("/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib", "/usr/local/lib")
    libraries = [Path(place, "faketime", "libfaketime.so.1") for place in places]
    paths = [library for library in libraries if library.exists()]
    if not paths:
        pytest.skip("faketime is here, its library is not where it usually is")
    return str(paths[0])


def seconds_of(jump):
    units = {"h": 3600, "d": 86400}
    return int(jump[:-1]) * units[jump[-1]] if jump[-1] in units else 0


def shows(subscriber, moment_ns):
    """Return whether the next heartbeat is stamped by the clock that has jumped."""
    event = subscriber.poll(2)
    assert event is None or isinstance(codec.unpack(event.packed), dict)
    return event is not None and abs(event.stamp.time_ns - moment_ns) < 60 * 10**9
