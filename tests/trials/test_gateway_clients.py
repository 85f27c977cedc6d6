"""Two hundred WebSocket clients, of which twenty never read: the others notice nothing, and the gateway does not grow."""

import json
import subprocess
import time
import urllib.request

import psutil
import pytest
from local_bus import LocalBus
from stage import FOUND
from waiting import eventually

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]
READING, STALLED = 180, 20
P99_MS = 100.0
GROWS_BY_MB = 20.0  # 20 clients, each a sixteenth of 1 MiB, a frame, and the sockets' own
GIVES_UP_S = 90
MB = 1 << 20


def metrics(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
        rows = [line.rsplit(" ", 1) for line in answer.read().decode().splitlines() if line and not line.startswith("#")]
    return {name: float(value) for name, value in rows}


def test_clients_that_do_not_read_cost_the_others_nothing(long, record_figure):
    """Full: two minutes, and the others' p99 in the median 2 s is judged, for others share the machine; short: 5 s."""
    seconds = 120 if long else 5
    with LocalBus() as local_bus:
        (local_bus.home / "run").mkdir()
        port = local_bus.settings.gateway.port
        local_bus.start("-m", "trial_publisher", local_bus.home, **FOUND)
        gateway = local_bus.hulak("gateway")
        eventually(lambda: "gateway started" in gateway.log.read_text(), within_s=30)
        halves = [(READING // 2, STALLED), (READING - READING // 2, 0)]
        processes = [
            local_bus.start("-m", "trial_browsers", port, reading, stalled, seconds, out=subprocess.PIPE, **FOUND)
            for reading, stalled in halves
        ]
        for process in processes:
            assert process.stdout.readline() == b"joined\n", process.log.read_text()[-2000:]
        watched = psutil.Process(gateway.pid)
        joined_mb, cpu = watched.memory_info().rss / MB, watched.cpu_times()
        peak_mb = joined_mb
        ends = time.monotonic() + seconds + 1
        while processes[0].poll() is None and time.monotonic() < ends:
            peak_mb = max(peak_mb, watched.memory_info().rss / MB)
            try:
                processes[0].wait(0.5)
            except subprocess.TimeoutExpired:
                continue
        spent = watched.cpu_times()
        reports = [json.loads(process.stdout.readline()) for process in processes]
        figures = eventually(lambda: gone(metrics(port)), within_s=GIVES_UP_S)
        share = (spent.user + spent.system - cpu.user - cpu.system) / (seconds + 1)
        p99_ms, p50_ms = max(report["p99_ms"] for report in reports), max(report["p50_ms"] for report in reports)
        window_ms = max(report["window_p99_ms"] for report in reports)
        slowest_ms, report = max(report["max_ms"] for report in reports), reports[0]
        record_figure(
            f"gateway, 24 displays, {READING} clients reading, {STALLED} not, {seconds} s: publisher to client p50 {p50_ms:.1f}, "
            f"p99 {p99_ms:.1f} (in the median 2 s {window_ms:.1f}), max {slowest_ms:.1f} ms; {report['frames_per_s']:.0f} frames "
            f"and {report['bytes_per_s'] / 1000:.0f} kB/s each; gateway {share:.0%} of a core, {joined_mb:.1f} MB, at most "
            f"{peak_mb:.1f} MB; {figures['hulak_gateway_disconnected_total']:.0f} disconnected"
        )
        assert [code for report in reports for code in report["closed"]] == [], "no client that reads is disconnected"
        assert window_ms < P99_MS or not long
        assert peak_mb - joined_mb < GROWS_BY_MB


def gone(figures):
    return figures if figures["hulak_gateway_disconnected_total"] == STALLED else None
