"""The way to the journal of displays that are built up: one connection for each round, and no more at a time than is folded."""

import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import zmq

from bus.errors import BusTimeout
from bus.settings import Settings
from bus.subscribing.repair import Ended, Repairs, Rows, TooOld
from bus.subscribing.replica import Ask
from workers.display.catch_up import CatchUp
from workers.display.desk import Desk

ROWS = 64  # folded between two looks at everything else
SILENT_S = 30.0  # without a row; then the round is given up, and its displays begin anew


class Round:
    """One round's connection.

    Args:
        made: begun.
        settings: say where the broker is.
        home: its folder.
    """

    def __init__(self, made: CatchUp, settings: Settings, home: Path) -> None:
        self.made = made
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.repairs = Repairs(self.context, settings, home)
        self.rows: deque[list[Any]] = deque()
        self.heard = time.monotonic()
        self._ended: deque[Ended | TooOld] = deque()

    def ask(self, ask: Ask) -> None:
        """Ask for some of the journal."""
        self.repairs.ask(self.made.topic, ask)

    def step(self, desk: Desk, now: float) -> bool:
        """Fold a slice of what has come, or take in what comes next; true while there is more to fold.

        Raises:
            BusTimeout: the broker has not answered for `SILENT_S`.
        """
        if not self.rows and not self._ended:
            self._receive(now)
        if self.rows:
            rows = self.rows.popleft()
            desk.rows(self.made, rows[:ROWS], now)
            if len(rows) > ROWS:
                self.rows.appendleft(rows[ROWS:])
        elif self._ended:
            self._end(desk, now)
        return bool(self.rows or self._ended)

    def _receive(self, now: float) -> None:
        for answer in self.repairs.answers():
            self.heard = now
            if isinstance(answer, Rows):
                self.rows.append(answer.rows)
            elif isinstance(answer, Ended | TooOld):
                self._ended.append(answer)
        if not self.rows and not self._ended:
            self.repairs.ask_again()
            if now - self.heard > SILENT_S:
                raise BusTimeout(f"the journal was silent for {SILENT_S:g} s")

    def _end(self, desk: Desk, now: float) -> None:
        answer, made = self._ended.popleft(), self.made
        if isinstance(answer, TooOld):
            ask = made.too_old(answer.oldest) or made.ended(None, desk.position or 1)
        else:
            ask = made.ended(answer.further, desk.position or 1)
        if ask is None:
            desk.finish(made, now)
        else:
            self.ask(ask)

    def close(self) -> None:
        """Close the connection."""
        self.context.destroy(linger=0)


class Rounds:
    """All rounds under way, as the desk has them.

    Args:
        desk: that begins and ends them.
        settings: say where the broker is.
        home: its folder.
    """

    def __init__(self, desk: Desk, settings: Settings, home: Path) -> None:
        self.desk = desk
        self.settings = settings
        self.home = home
        self.running: list[Round] = []

    def sockets(self) -> "Iterator[zmq.Socket[bytes]]":
        """Give the sockets to poll."""
        return (one.repairs.socket for one in self.running if one.repairs.socket is not None)

    def begin(self, now: float) -> None:
        """Begin a round if displays wait for one."""
        made = self.desk.start(now)
        if made is not None:
            ask = made.ask()
            assert ask is not None, "a round that needs nothing has ended already"
            one = Round(made, self.settings, self.home)
            one.ask(ask)
            self.running.append(one)

    def step(self, now: float, until: float) -> bool:
        """Fold for a while; true while there is more to fold.

        Args:
            now: monotonic seconds.
            until: when to stop, in monotonic seconds.
        """
        more = False
        for one in tuple(self.running):
            try:
                folding = True
                while folding and one.made in self.desk.rounds:
                    folding = one.step(self.desk, now)
                    if time.monotonic() >= until:
                        break
            except BusTimeout as error:
                self.desk.abandon(one.made, error, now)
                folding = False
            if one.made not in self.desk.rounds:
                one.close()
                self.running.remove(one)
            more = more or folding
        return more

    def next_due(self) -> float | None:
        """When something is to be asked again, in monotonic seconds."""
        return min((due for one in self.running if (due := one.repairs.next_due()) is not None), default=None)

    def close(self) -> None:
        """Close all connections."""
        for one in self.running:
            one.close()
        self.running.clear()
