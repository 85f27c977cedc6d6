"""`hulak.local`: a bus for one script, from nothing to answers and back to nothing."""

import logging

import psutil
import pytest
from waiting import eventually

from hulak.bus.errors import BusError, BusTimeout, ConfigError
from hulak.clients.local import LocalBus


@pytest.mark.timeout(180)
def test_a_script_has_a_bus_with_a_pool_and_leaves_nothing_behind(caplog):
    others = set(psutil.Process().children(recursive=True))  # of earlier tests, such as the tracker of `multiprocessing`
    with caplog.at_level(logging.INFO):
        with LocalBus(min_workers=2, max_workers=4, demo=True, timeout_s=120, logger=logging.getLogger("script")) as bus:
            home = bus.home
            with pytest.raises(BusError, match="runs already"):
                bus.start()
            assert bus.call("nepse", "market-status", timeout_s=60)["isOpen"] == "OPEN"
            with bus.nepse(timeout_s=60) as nepse:
                assert "NABIL" in nepse.get_symbol_id_map()
            with bus.subscriber("tick.MINE") as subscriber, bus.feed("script") as feed:
                feed.post("MINE", 1, 2)
                assert subscriber.poll(20).body["source"] == "script"
            assert bus.call("hulak.stats")["scaling"]["nepse"]["workers"] == "auto"
            processes = set(psutil.Process().children(recursive=True)) - others
            assert len([process for process in processes if "nepse" in process.cmdline()]) >= 3, "two workers and the exchange"
        eventually(lambda: not any(process.is_running() for process in processes), within_s=20)
    assert not home.exists()
    assert [line.partition(" home=")[0].partition(" orderly=")[0] for line in caplog.messages] == [
        "local bus started",
        "local bus ready workers=2",
        "local bus stopped",
    ]


@pytest.mark.timeout(120)
def test_a_pool_that_does_not_start_is_reported_with_its_log_lines_and_all_is_ended(tmp_path):
    bus = LocalBus(min_workers=2, home=tmp_path / "home", timeout_s=0.0)
    with pytest.raises(BusTimeout, match=r"\d of 2 workers were ready within 0 s; "):
        bus.start()
    assert (tmp_path / "home").is_dir(), "a home that was given stays"
    with pytest.raises(BusError, match="does not run"):
        bus.call("hulak.stats")
    bus.stop()


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"min_workers": 4, "max_workers": 2}, "scaling.min_workers is 4, must not be above scaling.max_workers, which is 2"),
        ({"max_workers": 6}, "scaling.max_workers"),
        ({"settings": {"rate": 1}}, "setting 'rate' must be named with its section"),
        ({"settings": {"a.b": 1}}, "setting 'a.b' must be named with its section"),
        ({"settings": {5: 1}}, "setting 5 must be named with its section"),
        ({"settings": {"nepse.rate": 1}}, "setting nepse.rate = 1 is unknown"),
    ],
)
def test_wrong_settings_are_refused_before_anything_starts(options, text):
    with pytest.raises(ConfigError, match=text.replace("(", r"\(")):
        LocalBus(**options)
