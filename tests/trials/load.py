"""The load of a trial, in threads of bare peers: a feed, a service, a caller, a client that pings."""

import threading
import time
from itertools import cycle

import bare
import contents
import zmq


class Thread:
    """A load that runs until `end`; its peers live in its thread. Its errors are raised by `end`."""

    def __init__(self):
        self._stop, self._failed = threading.Event(), None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            self.end()
        else:
            self._stop.set()

    def _run(self):
        try:
            self.work()
        except BaseException as error:  # noqa: BLE001 - it is raised by `end`
            self._failed = error

    @property
    def stopping(self):
        """Whether it is to end."""
        return self._stop.is_set()

    def goes_on(self):
        """Return True while it runs; raise the error that ended it."""
        if self._failed is not None:
            raise self._failed
        return True

    def rest(self, seconds):
        """Wait, but no longer than until `end`."""
        self._stop.wait(seconds)

    def end(self, within_s=60):
        """Stop it, and wait until it has ended."""
        self._stop.set()
        self._thread.join(within_s)
        self.goes_on()
        assert not self._thread.is_alive(), f"{type(self).__name__} has not ended within {within_s} s"


class Ticks(Thread):
    """Posts provable ticks at a rate, over restarts of the broker.

    Args:
        addresses: of the broker, by name.
        name: its source; its ticks are counted from 1.
        rate: ticks/s.
        symbols: NAME00 and so on, turn by turn.
        pad: bytes more in each body.
        ahead: ticks that are posted and not confirmed, at most; None: any number.
    """

    def __init__(self, addresses, name, rate=500, symbols=28, pad=b"", ahead=None):
        self.ahead = float("inf") if ahead is None else ahead
        self.addresses, self.name, self.rate, self.symbols, self.pad = addresses, name, rate, symbols, pad
        self.posted = self.safe = 0
        super().__init__()

    def work(self):
        """Post until `end`, then wait until all ticks are safe."""
        peer = bare.Feed(self.addresses["collector"], self.addresses["frontend"])
        began = time.monotonic()
        while not self.stopping:
            due = int((time.monotonic() - began) * self.rate)
            while self.posted < due and self.posted - peer.safe < self.ahead:
                self.posted = peer.post(*contents.tick(self.name, self.posted + 1, self.symbols, self.pad))
            peer.step()
            self.safe = peer.safe
            self.rest(0.004)
        whole = peer.settle(30)
        self.safe = peer.safe
        peer.close()
        assert whole, f"{self.name}: {self.safe} of {self.posted} ticks are confirmed"


class Pings(Thread):
    """Pings all the time, and keeps how long the broker was silent at most.

    Args:
        addresses: of the broker, by name.
    """

    def __init__(self, addresses):
        self.addresses, self.took_s = addresses, []
        super().__init__()

    def work(self):
        """Ping every 5 ms."""
        asker = bare.Asker(self.addresses["frontend"])
        while not self.stopping:
            began = time.monotonic()
            asker.ask("hulak.ping", within_s=30, tries=1)
            self.took_s.append(time.monotonic() - began)
            self.rest(0.005)
        asker.close()

    def slowest_s(self):
        """Return the slowest reply since the last call, in seconds."""
        took_s, self.took_s = self.took_s, []
        return max(took_s, default=0.0)


class Service(Thread):
    """A worker of the service `bare`.

    Args:
        addresses: of the broker, by name.
    """

    def __init__(self, addresses, do=contents.do):
        self.addresses, self.do, self.done = addresses, do, 0
        super().__init__()

    def work(self):
        """Serve."""
        peer = bare.Worker(self.addresses["backend"], "bare", self._count)
        while not self.stopping:
            peer.step()
        peer.close()

    def _count(self, *task):
        self.done += 1
        return self.do(*task)


class Neighbours(Thread):
    """A caller and poster that must not be disturbed: calls and posts turn by turn, and judges each answer.

    Args:
        addresses: of the broker, by name. A worker serves `bare`.
    """

    def __init__(self, addresses):
        self.addresses, self.calls, self.posts, self.slowest_s = addresses, 0, 0, 0.0
        super().__init__()

    def work(self):
        """Call, post and ask for the result, all the time."""
        asker = bare.Asker(self.addresses["frontend"])
        for number in cycle(range(300)):
            if self.stopping:
                break
            began = time.monotonic()
            assert asker.ask("bare", {"n": number}, action="done", within_s=20, tries=1) == contents.answer(number)
            self.slowest_s = max(self.slowest_s, time.monotonic() - began)
            self.calls += 1
            task = asker.ask("hulak.post", {"service": "bare", "action": "done", "args": {"n": number}}, within_s=20)["task"]
            reply = asker.ask("hulak.result", {"task": task, "wait_ms": 20_000}, within_s=25)
            assert (reply["state"], reply.get("value")) == ("done", contents.answer(number)), reply
            self.posts += 1
            self.rest(0.01)
        asker.close()


class Recording(Thread):
    """A subscriber to `ticks` that repairs nothing: keeps which content was seen under which number.

    Args:
        addresses: of the broker, by name.
    """

    def __init__(self, addresses):
        self.addresses, self.seen, self.conflicts = addresses, {}, []
        super().__init__()

    def work(self):
        """Take what comes."""
        socket = zmq.Context.instance().socket(zmq.SUB)
        socket.linger, socket.rcvhwm = 0, bare.MOST
        socket.subscribe(b"ticks\0")
        socket.connect(self.addresses["publisher"])
        while not self.stopping:
            if socket.poll(50):
                _, (epoch, first, _), body = bare.cut(socket.recv())
                for number, item in enumerate(bare.unpack(body), first):
                    what = contents.what(item)
                    if self.seen.setdefault((epoch, number), what) != what:
                        self.conflicts.append(((epoch, number), self.seen[epoch, number], what))
        socket.close()
