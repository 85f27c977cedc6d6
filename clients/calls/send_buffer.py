"""Calls that wait to be sent in a batch, and the thread that bounds their wait. PROTOCOL.md section 5.5."""

import threading
from collections import deque
from collections.abc import Callable, Iterable

from hulak.bus.wire import batch_frames
from hulak.clients.calls.pending import Call

BUNDLE_CALLS = 32  # in one frame: the broker handles them while the next ones are made
SOON_S = 0.002  # after this time the thread sends pending calls
BUSY_S = 0.005  # the same, if the client has just sent some itself
Send = Callable[[bytes], bool]


class SendBuffer:
    """Calls that have not been sent.

    One thread may append to `calls` at any time; all other access needs the client's lock.
    """

    def __init__(self) -> None:
        self.calls: deque[Call] = deque()
        self._frames: deque[bytes] = deque()  # frames for which there was no room, before `calls`

    def first(self) -> object | None:
        """Return the next frame or call to send, for comparison; None if the buffer is empty. Callable from any thread."""
        try:
            return self._frames[0] if self._frames else self.calls[0] if self.calls else None
        except IndexError:  # just sent by the other thread
            return None

    def flush(self, send: Send) -> bool:
        """Send all calls except those that are done. False if there is no room for some, which stay."""
        calls, ready = self.calls, self._frames
        while calls or ready:
            if not ready:
                batch = [calls[at] for at in range(min(len(calls), BUNDLE_CALLS))]  # no iterator: another thread may append
                ready.extend(batch_frames.bundle([call.frame for call in batch if not call.done()]))
                for _ in batch:
                    calls.popleft()
            while ready:
                if not send(ready[0]):
                    return False
                ready.popleft()
        return True

    def begin_again(self, calls: Iterable[Call]) -> None:
        """Replace all calls by these: a restarted broker has no calls."""
        self._frames.clear()
        self.calls.clear()
        self.calls.extend(calls)


class Flusher:
    """A thread that sends pending calls while the client's owner does other work.

    It never waits for the lock: its holder is inside the client, and sends the calls itself. The lock is the full fence that
    libzmq requires if a socket is used by one thread after the other.

    Args:
        gathered: the client's buffer.
        lock: guards the socket.
        send: sends a frame; false if there is no room.
    """

    def __init__(self, gathered: SendBuffer, lock: "threading.RLock", send: Send) -> None:
        self._send_buffer, self._lock, self._send = gathered, lock, send
        self.is_idle = False  # the buffer was empty: call `notify` after appending to it
        self._event = threading.Event()
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="flusher", daemon=True)
        self._thread.start()

    def notify(self) -> None:
        """Make the thread check the buffer."""
        self.is_idle = False
        self._event.set()

    def end(self) -> None:
        """Ask the thread to end."""
        self._ended = True
        self._event.set()

    def join(self) -> None:
        """Wait until the thread has ended."""
        self._thread.join()

    def _run(self) -> None:
        before, idle = self._send_buffer.first(), False
        pause_s = SOON_S
        while not self._ended:
            if idle:
                self._wait_for_calls()
                before, pause_s = self._send_buffer.first(), SOON_S
            if self._event.wait(pause_s):  # to end, or notified of a call that was seen before the wait
                self._event.clear()
            first = self._send_buffer.first()
            idle = first is None and before is None
            if first is not None and first is before and not self._ended:
                pause_s = SOON_S
                self._flush()
            else:  # the owner has sent some itself
                pause_s = BUSY_S
            before = first

    def _wait_for_calls(self) -> None:
        self.is_idle = True
        if self._send_buffer.first() is None:  # else the owner may not have seen `is_idle`
            self._event.wait()
        self._event.clear()
        self.is_idle = False

    def _flush(self) -> None:
        if self._lock.acquire(blocking=False):
            try:
                self._send_buffer.flush(self._send)
            finally:
                self._lock.release()
