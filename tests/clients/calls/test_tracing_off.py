"""Tracing that is off, as it is unless a setting enables it."""

import subprocess
import sys

from hulak.bus.process.settings import Settings
from hulak.bus.process.tracing import Tracing
from hulak.clients.calls.pending import kind_of


def test_it_is_off_by_default_and_a_request_has_nothing_of_it():
    assert Tracing.of(Settings()) is None
    assert b"trace" not in kind_of("nepse", "market-status").encode(bytes(16), {})


def test_opentelemetry_is_not_even_imported():
    modules = "hulak.clients.calls.client, hulak.clients.calls.async_client, hulak.workers.services, hulak.bus.broker.loop"
    program = f"import sys, {modules}; print([name for name in sys.modules if name.startswith('opentelemetry')])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.strip() == "[]"
