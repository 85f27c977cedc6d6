"""Days of ticks at once, as fast as they go, through real WebSockets: each arrives, once, in order, its prices exact."""

import subprocess
import time

import pytest
from local_bus import LocalBus
from stage import FOUND
from tick_days import DAYS, write_day, write_true_fx
from waiting import eventually

from hulak.clients.feeds.files.registry import read_ticks

pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]
SHORT_FILES, SHORT_TICKS = 2, 8_000
SLOWEST_PER_S = 1500  # on any machine; bounds the wait


def test_every_tick_of_several_days_arrives_once_in_order_with_its_exact_prices(tmp_path, long, record_figure):
    """Full: every form of day; short: the first 8,000 ticks of two. One venue and one feed for each file."""
    most = None if long else SHORT_TICKS
    files = [write_day(tmp_path, day, most) for day in (DAYS if long else DAYS[:SHORT_FILES])]
    if long:
        files.append(write_true_fx(tmp_path))
    symbols = {path: f"F{at}{path.stem.split('_')[1]}".upper() for at, path in enumerate(files)}
    wanted = {symbol: list(read_ticks(path, symbol=symbol)) for path, symbol in symbols.items()}
    count = sum(map(len, wanted.values()))
    with LocalBus() as local_bus:
        local_bus.start_broker()
        venues = {
            symbol: local_bus.start("-m", "trial_venue", path, symbol, out=subprocess.PIPE, **FOUND)
            for path, symbol in symbols.items()
        }
        urls = {symbol: f"ws://127.0.0.1:{int(venue.stdout.readline())}/json" for symbol, venue in venues.items()}
        log = tmp_path / "ticks.txt"  # the reader comes last: it gives up after a while without ticks
        reader = local_bus.start("-m", "trial_reader", log, count, **FOUND)
        eventually(lambda: log.exists() and log.stat().st_size, within_s=60)
        began = time.monotonic()
        for symbol, url in urls.items():
            local_bus.hulak("feed", "--venue", "json", "--name", symbol, "--url", url)
        assert reader.wait(60 + count / SLOWEST_PER_S) == 0, reader.log.read_text()
        took_s = time.monotonic() - began
        stats = local_bus.stats()
    rows = [line.split() for line in log.read_text().splitlines()[1:-1]]
    record_figure(
        f"days of ticks: {len(rows):,} of {count:,} ticks of {len(files)} files in {took_s:.1f} s, {count / took_s:,.0f} a second"
    )
    assert stats["ticks"]["taken"] == count
    assert [int(row[4]) for row in rows] == list(range(1, count + 1))
    for symbol, ticks in wanted.items():
        arrived = [(float(row[1]), float(row[2]), int(row[3])) for row in rows if row[0] == symbol]
        assert arrived == [(tick.bid, tick.ask, tick.timestamp) for tick in ticks]
