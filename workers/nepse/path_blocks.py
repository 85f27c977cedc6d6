"""Paths that the exchange's reverse proxy refuses with a 403: paused one by one, or all if the address is refused. Pure.

A path may be refused to all clients (that of a security's floor sheet is, since spring 2026) while all others work. So a refusal
pauses its path, for longer each time. Two refused paths within a minute, or a refused path of the session, mean the address:
then no worker should send for a while.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from hulak.bus.errors import TaskFailed
from hulak.bus.wire.retry_after import retry_after_s
from hulak.workers.nepse.faults import COOL_DOWN_S, Fetch, HttpRequest, HttpResponse, is_proxy_block

FIRST_PAUSE_S, LONGEST_PAUSE_S = 5.0, 300.0
TOGETHER_S = 60.0  # two paths refused within this time mean the address
MOST_REFUSALS = 2  # in a row, after which a path is believed to be refused for good
SESSION = "/api/authenticate/"
_VARIABLE = re.compile(r"(?<=/)\d[\d-]*(?=/|$)|(?<=/fetchFiles/).*")


@dataclass(slots=True)
class _Pause:
    refused_at: float  # monotonic seconds
    pause_s: float
    refusals: int  # since the last answer

    def left_s(self, now: float) -> float:
        return max(0.0, self.refused_at + self.pause_s - now)


def kind_of(path: str) -> str:
    """Return a path without its query, ids, dates, names of files: `/api/nots/security/131?x=1` is `/api/nots/security/{}`."""
    return _VARIABLE.sub("{}", path.partition("?")[0])


class PathBlocks:
    """A `Fetch` that pauses refused paths. Belongs to one thread.

    Args:
        fetch: sends a request.
        clock: monotonic seconds.
    """

    def __init__(self, fetch: Fetch, clock: Callable[[], float]) -> None:
        self._fetch = fetch
        self._clock = clock
        self._pauses: dict[str, _Pause] = {}  # by kind of path

    def __call__(self, request: HttpRequest, /) -> HttpResponse:
        """Send a request, unless its path is paused.

        Raises:
            TaskFailed: as `fetch`; BLOCKED, the path is paused or was refused. It is retryable after the pause, until a path was
                refused `MOST_REFUSALS` times in a row. `cool_down_s` is set if the address seems to be refused.
        """
        kind = kind_of(request.path)
        pause = self._pauses.get(kind)
        if pause is not None and (left_s := pause.left_s(self._clock())):
            raise _blocked(request, f"its path was refused before, and is asked again in {left_s:.0f} s", pause, left_s)
        response = self._fetch(request)
        if not is_proxy_block(response):
            self._pauses.pop(kind, None)
            return response
        pause = self._refused(kind)
        asked_s = retry_after_s(response.headers)
        cool_down_s = asked_s if asked_s is not None else COOL_DOWN_S if self._means_address(kind) else None
        why = "the exchange's reverse proxy refuses this path" + ("" if cool_down_s is None else ", or this address")
        raise _blocked(request, f"HTTP 403 with a page in HTML: {why}", pause, pause.pause_s, cool_down_s)

    def _refused(self, kind: str) -> _Pause:
        before = self._pauses.get(kind)
        if before is None:
            pause = _Pause(self._clock(), FIRST_PAUSE_S, 1)
        else:
            pause = _Pause(self._clock(), min(LONGEST_PAUSE_S, 2 * before.pause_s), before.refusals + 1)
        self._pauses[kind] = pause
        return pause

    def _means_address(self, kind: str) -> bool:
        now = self._clock()
        others = (pause for other, pause in self._pauses.items() if other != kind)
        return kind.startswith(SESSION) or any(now - pause.refused_at <= TOGETHER_S for pause in others)


def _blocked(request: HttpRequest, why: str, pause: _Pause, left_s: float, cool_down_s: float | None = None) -> TaskFailed:
    again = pause.refusals < MOST_REFUSALS
    return TaskFailed(
        "BLOCKED",
        f"{request.name}: {why}",
        retryable=again,
        retry_after_s=left_s if again else None,
        cool_down_s=cool_down_s,
        details={"status": 403},
    )
