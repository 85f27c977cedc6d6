"""The facts that `hulak check` and `hulak status` judge: the statistics, or why there are none, and what supervisord runs."""

import contextlib
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from hulak.bus.errors import BusTimeout
from hulak.bus.wire.fair_silence import Watch
from hulak.clients.cli.command import Call, NoBroker
from hulak.clients.judge.facts import Facts
from hulak.clients.judge.situations import BROKER_SILENT_S

if TYPE_CHECKING:
    from hulak.clients.calls.future import Future

REPLY_S = 0.9  # to wait for the statistics; after a second a client looks for the broker elsewhere, which takes another one
SLICE_S = 0.1  # of one wait: a process that was stopped or starved in it begins to wait again
TIMEOUT_HELP = f"Seconds to wait for the reply; {REPLY_S:g} by default: a broker that needs longer counts as silent."


def gather(call: Call, *, feeds: int | None = None, workers: int | None = None) -> Facts:
    """Request the statistics, and meanwhile query the supervisord of this home.

    Args:
        call: the run of the command; its --timeout is the time to wait for the reply.
        feeds, workers: as in `Facts`.
    Raises:
        BusError: the broker refuses this command's key, or the request.
    """
    from hulak.clients import supervisord

    stats, reason, broker_silence_s, wait_s = None, "", None, call.timeout_s or REPLY_S
    with ThreadPoolExecutor(1) as pool:
        query = pool.submit(supervisord.processes, call.home)
        try:
            with call.client(within_s=wait_s) as client:
                stats = _answer(client.submit("hulak.stats", timeout_s=wait_s), wait_s)
        except NoBroker as error:
            reason = str(error)
        except BusTimeout:
            broker_silence_s = max(wait_s, BROKER_SILENT_S)
        # Without a broker, `hulak up` may have started supervisord only after the first query.
        supervised = query.result() or (supervisord.processes(call.home) if reason else [])
        more: dict[str, Any] = {"why": reason, "broker_silence_s": broker_silence_s, "supervised": supervised}
    return Facts.of(call.settings, stats, feeds=feeds, workers=workers, **more)


def _answer(future: "Future", wait_s: float) -> Any:
    """Return the reply to a call; while this process did not run itself, nothing counts as silent.

    Args:
        future: of the call.
        wait_s: seconds to wait.
    Raises:
        BusTimeout: there was none.
    """
    began = time.monotonic()
    watch = Watch(began)
    while (left_s := wait_s - watch.silence_s(began, time.monotonic())) > SLICE_S:
        with contextlib.suppress(BusTimeout):
            return future.result(SLICE_S)
        if future.done():
            break
        watch.check(time.monotonic())
    return future.result(max(0.0, left_s))
