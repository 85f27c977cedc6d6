"""The floor sheet of a whole day through the pool, into files, while others ask for the state of the market."""

import csv
import statistics
import subprocess
import time

import pytest
from local_bus import free_ports
from stage import Stage
from waiting import eventually

from hulak.clients.nepse.client import NepseClient

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]
ANSWERED_WITHIN_S = 2.0
MOST_MB = 200
ASK_S = 2.0  # between two questions of others


def peak_mb(process):
    """Return the largest memory that a process has had, in MB; None if it has ended."""
    try:
        with open(f"/proc/{process.pid}/status", encoding="ascii") as status:  # noqa: PTH123 - a file of the kernel
            return next((int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM")), None)
    except OSError:
        return None


def test_a_whole_day_comes_into_files_in_bounded_memory_and_delays_no_other_task(tmp_path, long, record_figure):
    """Full: 90,000 contracts by one worker at the rate of the settings, 2 a second; short: 3,000 at 20 a second."""
    contracts, rate = (90_000, 2.0) if long else (3_000, 20.0)
    with Stage(tmp_path) as stage:
        stage.broker = stage.start_broker()
        (port,) = free_ports(1)
        exchange = stage.hulak("sim", "nepse", "--hours", "closed", "--contracts", contracts, "--port", port)
        eventually(lambda: "exchange started" in exchange.log.read_text(), within_s=60)
        worker = stage.start(
            *("-m", "hulak.workers", "nepse"),
            HULAK_NEPSE__BASE_URL=f"http://127.0.0.1:{port}",
            HULAK_NEPSE__RATE_PER_S=rate,
            HULAK_NEPSE__CACHE_S=0,  # each question of the others is one for the exchange
        )
        with NepseClient(stage.settings, stage.home) as other:
            eventually(lambda: other.get_market_status()["isOpen"] == "CLOSE", within_s=60)
            began = time.monotonic()
            archive = stage.hulak("nepse", "archive", "--into", tmp_path / "archive", "--json", out=subprocess.PIPE)
            watched, answered_s = {"archive": archive, "worker": worker, "broker": stage.broker}, []
            peaks = dict.fromkeys(watched, 0.0)
            while archive.poll() is None:
                asked = time.monotonic()
                assert other.get_market_status()["isOpen"] == "CLOSE"
                answered_s.append(time.monotonic() - asked)
                while archive.poll() is None and time.monotonic() < asked + ASK_S:
                    peaks |= {name: peak_mb(process) or peaks[name] for name, process in watched.items()}
                    time.sleep(0.05)  # between two samples
            took_s = time.monotonic() - began
        printed = archive.stdout.read().decode()
        assert archive.wait() == 0, printed
        exchange.terminate()
        with next((tmp_path / "archive" / "floor-sheet").glob("*.csv")).open(encoding="utf-8", newline="") as file:
            ids = [row["contractId"] for row in csv.DictReader(file)]
    record_figure(
        f"floor sheet of {contracts:,} contracts: {len(ids):,} in files after {took_s:.1f} s; market-status meanwhile "
        f"{len(answered_s)} times, p50 {statistics.median(answered_s):.2f} s, max {max(answered_s):.2f} s; largest memory "
        + ", ".join(f"{name} {size:.0f} MB" for name, size in peaks.items())
    )
    assert len(set(ids)) == len(ids) == contracts
    assert peaks["archive"] < MOST_MB
    if long:
        assert max(answered_s) < ANSWERED_WITHIN_S, answered_s
