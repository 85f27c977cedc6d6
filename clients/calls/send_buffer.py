"""Calls that wait to be sent together, and the thread that sees to it that they do not wait long. PROTOCOL.md section 5.5."""

import threading
from collections import deque
from collections.abc import Callable, Iterable

from hulak.bus.wire import batch_frames
from hulak.clients.calls.pending import Call

BUNDLE_CALLS = 32  # in one frame: the broker begins with them while the next are made
SOON_S = 0.002  # what has gathered is left to the client for so long
BUSY_S = 0.005  # and for so long if it has just sent some by itself
Send = Callable[[bytes], bool]


class SendBuffer:
    """Calls that have not been sent.

    One thread may append to `calls` at any time; all else is for one thread at a time.
    """

    def __init__(self) -> None:
        self.calls: deque[Call] = deque()
        self._frames: deque[bytes] = deque()  # what there was no room for, before `calls`

    def first(self) -> object | None:
        """Give what is to be sent next, for comparison; None if nothing has gathered. Any thread may ask."""
        try:
            return self._frames[0] if self._frames else self.calls[0] if self.calls else None
        except IndexError:  # just sent by the other thread
            return None

    def flush(self, send: Send) -> bool:
        """Send all; what was cancelled or is over is left out. False if there is no room for some, which stay."""
        calls, ready = self.calls, self._frames
        while calls or ready:
            if not ready:
                some = [calls[at] for at in range(min(len(calls), BUNDLE_CALLS))]  # appended to meanwhile: no iteration
                ready.extend(batch_frames.bundle([call.frame for call in some if not call.done()]))
                for _ in some:
                    calls.popleft()
            while ready:
                if not send(ready[0]):
                    return False
                ready.popleft()
        return True

    def begin_again(self, calls: Iterable[Call]) -> None:
        """Have just these sent: a restarted broker knows nothing of calls."""
        self._frames.clear()
        self.calls.clear()
        self.calls.extend(calls)


class Flusher:
    """A thread that sends what has gathered while the client's owner does other things.

    It never waits for the lock: whoever holds it is inside of the client, and sends by himself. The lock is the full fence that
    libzmq asks for where a socket is used by one thread after the other.

    Args:
        gathered: the client's.
        lock: held by whoever uses the socket.
        send: sends a frame; false if there is no room.
    """

    def __init__(self, gathered: SendBuffer, lock: "threading.RLock", send: Send) -> None:
        self._send_buffer, self._lock, self._send = gathered, lock, send
        self.asleep = False  # nothing has gathered: `wake` it when something does
        self._awake = threading.Event()
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="flusher", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Have it look: something has gathered."""
        self.asleep = False
        self._awake.set()

    def end(self) -> None:
        """Have it end."""
        self._ended = True
        self._awake.set()

    def join(self) -> None:
        """Wait until it has ended; it does so at once."""
        self._thread.join()

    def _run(self) -> None:
        before, idle = self._send_buffer.first(), False
        pause_s = SOON_S
        while not self._ended:
            if idle:
                self._sleep()
                before, pause_s = self._send_buffer.first(), SOON_S
            if self._awake.wait(pause_s):  # to end, or woken for what we had seen before we slept
                self._awake.clear()
            first = self._send_buffer.first()
            idle = first is None and before is None
            if first is not None and first is before and not self._ended:
                pause_s = SOON_S
                self._flush()
            else:  # the owner has sent by himself
                pause_s = BUSY_S
            before = first

    def _sleep(self) -> None:
        self.asleep = True
        if self._send_buffer.first() is None:  # else its owner may not have seen that we sleep
            self._awake.wait()
        self._awake.clear()
        self.asleep = False

    def _flush(self) -> None:
        if self._lock.acquire(blocking=False):
            try:
                self._send_buffer.flush(self._send)
            finally:
                self._lock.release()
