"""The simulated exchange with its options: HTTPS without the intermediate certificate, bursts, market ids, large days."""

import builtins
import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from click.testing import CliRunner
from local_bus import LocalBus, free_ports
from nepse_worker_fixture import Settings
from waiting import eventually

from hulak.bus.errors import TaskFailed
from hulak.clients.cli import cli
from hulak.sim.nepse import tls
from hulak.sim.nepse.server import serve
from hulak.workers.nepse.actions import build_actions
from hulak.workers.nepse.faults import HttpRequest
from hulak.workers.nepse.http import HttpFetch

PROVE = HttpRequest("GET", "/api/authenticate/prove")


def failure(settings):
    """Return the failure of a request with these settings."""
    with pytest.raises(TaskFailed) as caught:
        HttpFetch(settings)(PROVE)
    return caught.value


def test_a_chain_without_the_intermediate_needs_a_file_that_has_it(tmp_path):
    context = tls.make_context(tmp_path, "leaf-only", "127.0.0.1")
    with serve(seed=5, tls=context) as exchange:
        assert exchange.url.startswith("https://127.0.0.1:")
        assert failure(Settings(exchange.url)).code == "TLS"
        assert failure(Settings(exchange.url, ca_file=tmp_path / tls.ROOT)).code == "TLS"
        trusting = Settings(exchange.url, ca_file=tmp_path / tls.TRUSTED)
        assert build_actions(trusting)["market-status"]({})["isOpen"] == "OPEN"


def test_a_whole_chain_needs_the_root_only(tmp_path):
    context = tls.make_context(tmp_path, "chain", "127.0.0.1")
    with serve(seed=5, tls=context) as exchange:
        assert failure(Settings(exchange.url)).code == "TLS"
        for name in (tls.ROOT, tls.TRUSTED):
            assert HttpFetch(Settings(exchange.url, ca_file=tmp_path / name))(PROVE).status == 200


def test_an_unfinished_handshake_does_not_hold_up_other_clients(tmp_path):
    context = tls.make_context(tmp_path, "chain", "127.0.0.1")
    with serve(seed=5, tls=context) as exchange, socket.create_connection(("127.0.0.1", exchange.port)):
        assert HttpFetch(Settings(exchange.url, ca_file=tmp_path / tls.ROOT))(PROVE).status == 200
    assert exchange.wait(timeout_s=5)


def test_a_missing_package_for_certificates_is_named(tmp_path, monkeypatch):
    def without(name, *rest, find=builtins.__import__):
        if name == "trustme":
            raise ImportError(name)
        return find(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    result = CliRunner().invoke(cli, ["sim", "nepse", "--home", str(tmp_path), "--tls", "leaf-only"])
    assert result.exit_code == 78
    assert "pip install trustme" in result.stderr


@pytest.mark.system
def test_the_command_serves_https_and_logs_the_file_to_trust():
    with LocalBus() as local_bus:
        (port,) = free_ports(1)
        words = ("--tls", "leaf-only", "--port", port, "--market-id", 7, "--contracts", 100)
        process = local_bus.hulak("sim", "nepse", *words, HULAK_LOG__FORMAT="json")
        eventually(lambda: "exchange started" in process.log.read_text(), within_s=60)
        (started,) = (json.loads(line) for line in process.log.read_text().splitlines() if "exchange started" in line)
        trusting = Settings(started["url"], ca_file=Path(started["ca_file"]))
        assert started["url"] == f"https://127.0.0.1:{port}"
        assert build_actions(trusting)["market-id"]({}) == {"market_id": 7}
        process.terminate()
        assert process.wait(30) == 0


def test_connections_beyond_a_burst_are_closed_and_the_others_are_answered():
    both, go = threading.Barrier(3), threading.Event()

    def hold(_):
        both.wait(30)
        assert go.wait(30)

    with serve(seed=5, burst=2, delay_s=1.0, sleep=hold) as exchange, ThreadPoolExecutor(2) as pool:
        held = [pool.submit(HttpFetch(Settings(exchange.url)), PROVE) for _ in range(2)]
        both.wait(30)
        assert failure(Settings(exchange.url)).code == "NETWORK"
        go.set()
        assert [response.result(10).status for response in held] == [200, 200]


def test_a_market_id_and_the_contracts_of_a_day_can_be_set():
    with serve(seed=5, hours="closed", market_id=3, trades_per_day=90) as exchange:
        actions = build_actions(Settings(exchange.url))
        assert actions["market-id"]({}) == {"market_id": 3}
        assert actions["company-details"]({"symbol": "NABIL"})["securityId"] == 131
        assert actions["summary"]({})[2] == {"detail": "Total Transactions", "value": 90.0}


def test_a_day_of_years_ago_is_final():
    with serve(seed=5) as exchange:
        with pytest.raises(TaskFailed) as caught:
            list(build_actions(Settings(exchange.url))["today-price"]({"date": "2024-01-02"}))
        assert (caught.value.code, caught.value.retryable) == ("NO_SUCH_DAY", False)
