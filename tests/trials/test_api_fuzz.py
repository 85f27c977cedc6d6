"""`/api/v1` of a real gateway and broker, fuzzed by schemathesis from its OpenAPI document: no request makes it fail.

A missing worker, a busy broker or a full disk (502, 503, 504) are answers; 500 is an error of the gateway.
"""

import importlib.util
import json
import subprocess
import sys
import time
import urllib.request

import pytest
from local_bus import LocalBus
from waiting import eventually

from hulak.clients.gateway.api.operations import EVENTS, OPERATIONS

pytestmark = [
    pytest.mark.system,
    pytest.mark.timeout(900),
    pytest.mark.skipif(importlib.util.find_spec("schemathesis") is None, reason="needs schemathesis"),
]
SHORT_S, LONG_S = 8, 600
REQUEST_S = 75  # a wait for a task takes 60 s
CONFIG = """
[checks]
not_a_server_error.expected-statuses = ["2xx", "4xx", 502, 503, 504]
"""
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
LEFT_OUT = (EVENTS.path, "/calls")  # a stream does not end, and calls wait for workers that are not there


def test_no_request_makes_the_gateway_fail(long, record_figure):
    """Full: ten minutes; short: 8 s."""
    seconds = LONG_S if long else SHORT_S
    with LocalBus() as local_bus:
        broker, gateway = local_bus.start_broker(), local_bus.hulak("gateway")
        eventually(lambda: "gateway started" in gateway.log.read_text(), within_s=60)
        config, report = local_bus.home / "schemathesis.toml", local_bus.home / "report.json"
        config.write_text(CONFIG)
        base = f"http://127.0.0.1:{local_bus.settings.gateway.port}/api/v1"
        command = [
            sys.executable,
            "-m",
            "schemathesis.cli",
            "--config-file",
            config,
            "run",
            f"{base}/openapi.json",
            "--checks",
            CHECKS,
        ]
        command += [
            "--max-time",
            seconds,
            "--max-examples",
            100_000 if long else 10,
            "--suppress-health-check",
            "all",
            "--seed",
            1,
        ]
        command += ["--warnings", "off", "--report-json-path", report, "--request-timeout", REQUEST_S, "--continue-on-failure"]
        for path in LEFT_OUT:
            command += ["--exclude-path", f"/api/v1{path}"]
        began = time.monotonic()
        ran = subprocess.run(
            list(map(str, command)), cwd=local_bus.home, capture_output=True, text=True, check=False, timeout=seconds + 200
        )
        shown = ran.stdout[-6000:] + ran.stderr[-2000:]
        assert ran.returncode == 0, shown
        assert broker.poll() is None
        with urllib.request.urlopen(f"{base}/stats", timeout=30) as answer:
            stats = json.loads(answer.read())
        events = [json.loads(line) for line in gateway.log.read_text().splitlines() if line.startswith("{")]
        assert [event for event in events if event["level"] == "error"] == [], "no request is an error of the gateway"
        record_figure(
            f"/api/v1 fuzzed for {time.monotonic() - began:.0f} s: {len(OPERATIONS)} operations, no server error; "
            f"{stats['broker']['rss_bytes'] / 1e6:.0f} MB of the broker"
        )
