"""The logger that a program passes to a client: of structlog, of the standard library, or none."""

import asyncio
import logging
import subprocess
import sys

import pytest
import structlog
from local_bus import LocalBus

from hulak import AsyncBusClient, BusClient
from hulak.bus.process.client_logger import logger_of

FOUND = "broker found"
SENT_AGAIN = "requests sent again after reconnection"


def test_a_logger_of_the_standard_library_gets_lines_with_fields(caplog):
    with caplog.at_level(logging.INFO):
        logger = logger_of(logging.getLogger("program"))
        logger.info("broker found", frontend="ipc:///x", share="100%")
        try:
            raise ValueError("no")
        except ValueError:
            logger.exception("answer refused")
    assert caplog.messages == ["broker found frontend=ipc:///x share=100%", "answer refused"]
    assert caplog.records[1].exc_info[0] is ValueError


def test_a_logger_of_structlog_is_used_as_it_is():
    logger = structlog.get_logger()
    assert logger_of(logger) is logger


def test_without_a_logger_every_event_is_dropped_and_structlog_is_not_imported():
    logger = logger_of(None)
    assert [getattr(logger, level)("event", field=1) for level in ("debug", "info", "warning", "error", "exception")] == [
        None
    ] * 5
    program = "import sys, hulak; hulak.BusClient, hulak.Subscriber; print('structlog' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("restarted", [False, True])
def test_a_client_logs_its_connection(restarted, caplog):
    with LocalBus() as local_bus, caplog.at_level(logging.INFO):
        broker = local_bus.start_broker()
        with BusClient(local_bus.settings, local_bus.home, logger=logging.getLogger("program")) as client:
            client.call("hulak.stats", timeout_s=20)
            if restarted:
                future = client.submit("nobody", "x", timeout_s=60)
                broker.kill()
                broker.wait()
                local_bus.start_broker()
                client.call("hulak.stats", timeout_s=20)
                future.cancel()
    lines = [line.partition(" frontend=")[0] for line in caplog.messages]
    assert lines[0] == FOUND
    assert any(line.startswith(SENT_AGAIN) for line in lines) == restarted


async def stats(local_bus, logger):
    async with AsyncBusClient(local_bus.settings, local_bus.home, logger=logger) as client:
        await client.call("hulak.stats", timeout_s=20)


def test_an_asyncio_client_logs_its_connection(caplog):
    with LocalBus() as local_bus, caplog.at_level(logging.INFO):
        local_bus.start_broker()
        asyncio.run(stats(local_bus, logging.getLogger("program")))
    assert [line.partition(" frontend=")[0] for line in caplog.messages if not line.startswith("Using")] == [FOUND]
