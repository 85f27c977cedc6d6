"""The source of the bridge: the journal of this broker, read piece by piece. PROTOCOL.md section 7.3.

The journal is the buffer: nothing is read before there is room for it, so that the bridge stays small while NATS is away.
"""

from typing import Any

from hulak.bus.errors import BusError
from hulak.bus.subscriber.events import event_of
from hulak.clients.bridge.outgoing import Position
from hulak.clients.bridge.spans import Row
from hulak.clients.calls.async_client import AsyncBusClient

ANSWER_S = 10.0
LOWEST, HIGHEST = 1, (1 << 63) - 1


class TooOld(Exception):
    """The journal begins later: with this number."""

    def __init__(self, oldest: int) -> None:
        super().__init__(f"the journal begins with number {oldest}")
        self.oldest = oldest


class OtherEpoch(Exception):
    """A number has another epoch in this journal (0: it is not there)."""

    def __init__(self, epoch: int) -> None:
        super().__init__(f"the number has epoch {epoch} in the journal")
        self.epoch = epoch


class JournalSource:
    """Reads the journal of the broker.

    Args:
        client: connected, or connecting.
    """

    def __init__(self, client: AsyncBusClient) -> None:
        self.client = client

    async def read(self, after: Position) -> list[Row]:
        """Return the ticks behind a position, about 1 MiB at most; none if there are none.

        Raises:
            TooOld, OtherEpoch: the journal does not continue there.
            BusError: `BUSY`, `TIMEOUT` and others.
        """
        rows: list[Any] = []
        args: dict[str, Any] = {"topic": "ticks", "from": after.number + 1}
        if after.epoch and after.number:
            args["epoch"] = after.epoch
        try:
            await self.client.call("hulak.replay", "", args, timeout_s=ANSWER_S, on_part=rows.extend, on_restart=rows.clear)
        except BusError as error:
            if error.code == "TOO_OLD":
                raise TooOld(int(error.details["oldest"])) from error
            if error.code == "OTHER_EPOCH":
                raise OtherEpoch(int(error.details["epoch"])) from error
            if error.code == "UNKNOWN_TOPIC":
                return []
            raise
        return [(int(number), bytes(frame)) for number, frame in rows]

    async def newest(self) -> int:
        """Return the number of the newest tick, in the journal or on its way there; 0 if there is none."""
        frames = await self.client.call("hulak.last", "", {"topic": "heartbeat"}, timeout_s=ANSWER_S)
        return max((int(event_of(frame).body["ticks"]) for frame in frames), default=0)

    async def first_after(self, epoch: int, last: int) -> int | None:
        """Return the first number with a larger epoch, at most `last` + 1; None if the journal has no tick of a larger one.

        In a journal epochs only grow with the numbers: the place is epoch_there by halves.
        """
        low, high = LOWEST, last + 1
        while low < high:
            middle = (low + high) // 2
            epoch_there = await self._epoch_of(middle)
            if epoch_there is None or epoch_there > epoch:
                high = middle
            else:
                low = middle + 1
        epoch_there = await self._epoch_of(low)
        return low if epoch_there is not None and epoch_there > epoch else None

    async def _epoch_of(self, number: int) -> int | None:
        """Return the epoch of a number, of the oldest kept one if it is no longer kept; None if it does not exist."""
        try:
            await self.read_none(Position(HIGHEST, number))
        except OtherEpoch as error:
            return error.epoch or None
        except TooOld:
            return 0
        return HIGHEST

    async def read_none(self, after: Position) -> None:
        """Ask for the ticks behind a position that cannot be there: the answer says what is."""
        await self.read(after)
