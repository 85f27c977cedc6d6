"""Displays that continue from their checkpoints: after kills, after a stop, and with damaged files."""

import pytest
from display_market import SYMBOLS, Market, differs, start_workers
from local_bus import LocalBus
from waiting import eventually

from hulak.clients.displays.client import DisplayClient
from hulak.workers.display import checkpoint

pytestmark = pytest.mark.system
WITHIN_S = 30


@pytest.fixture
def market():
    """A broker, workers `d0` and `d1`, two displays of each symbol, and ticks over midnight."""
    made = Market(5)
    with LocalBus() as local_bus, DisplayClient(local_bus.settings, local_bus.home) as displays:
        made.local_bus, made.displays = local_bus, displays
        made.broker = local_bus.start_broker()
        made.workers = start_workers(local_bus, "d0", "d1")
        made.shown = {f"{symbol.lower()}-{number}": symbol for symbol in SYMBOLS for number in range(2)}
        for display, symbol in made.shown.items():
            displays.create_worker_for_symbol(symbol, display)
        go_on(made, 0)  # every display is live, so every tick is received live
        go_on(made, 2000)
        yield made


def go_on(market, ticks):
    market.dispatch(market.displays, ticks)
    eventually(lambda: not differs(market.displays, market, market.shown), within_s=WITHIN_S)


def counted(market, name):
    """Return the sum of a figure of all display workers that report."""
    return sum(row.get(f"checkpoints_{name}", 0) for row in market.local_bus.stats()["processes"] if row["kind"] == "display")


def end(market, how):
    """End all workers, and then the broker, by a signal."""
    for process in (*market.workers.values(), market.broker):
        getattr(process, how)()
        code = process.wait(20)
        assert how == "kill" or code == 0, process.log.read_text()
    market.workers = {}


def start(market, *names):
    market.local_bus.start_broker()
    market.workers = start_workers(market.local_bus, *names)


def test_after_kills_displays_continue_from_their_checkpoints_and_equal_an_undisturbed_fold(market):
    eventually(lambda: counted(market, "written") >= len(market.shown), within_s=WITHIN_S)
    market.dispatch(market.displays, 300)
    market.workers.pop("d0").kill()
    eventually(lambda: {row["worker"] for row in market.displays.rows()} == {"d1"}, within_s=WITHIN_S)
    go_on(market, 300)
    eventually(lambda: counted(market, "used") >= len(market.shown) / 2, within_s=WITHIN_S)
    end(market, "kill")
    start(market, "d2", "d3")
    eventually(lambda: not differs(market.displays, market, market.shown), within_s=WITHIN_S)
    go_on(market, 300)
    eventually(lambda: counted(market, "used") >= len(market.shown), within_s=WITHIN_S)
    assert counted(market, "refused") == 0


def test_after_a_stop_damaged_files_are_ignored_and_those_without_a_display_are_removed(market):
    end(market, "terminate")
    folder = market.local_bus.home / "displays"
    files = sorted(folder.iterdir())
    assert [path.name for path in files] == sorted(f"{display}.ckpt" for display in market.shown)
    checkpoints = [checkpoint.decode(path.read_bytes()) for path in files]
    assert {stored.upto for stored in checkpoints} == {len(market.ticks)}  # written at the end
    files[0].write_bytes(files[0].read_bytes()[:-1])
    files[1].write_bytes(b"")
    other_epoch = checkpoint.Checkpoint(
        **{**{name: getattr(checkpoints[2], name) for name in checkpoints[2].__struct_fields__}, "epoch": 7}
    )
    files[2].write_bytes(checkpoint.encode(other_epoch))
    (folder / "never-there.ckpt").write_bytes(files[3].read_bytes())
    start(market, "d2", "d3")
    eventually(lambda: not differs(market.displays, market, market.shown), within_s=WITHIN_S)
    eventually(lambda: counted(market, "used") >= len(market.shown) - 2, within_s=WITHIN_S)
    eventually(lambda: counted(market, "refused") >= 3, within_s=WITHIN_S)
    assert not (folder / "never-there.ckpt").exists()
    go_on(market, 300)
    assert not any(market.displays.state(display)["incomplete"] for display in market.shown)
