"""The membership of a process: it applies the live configuration, reports to the broker every second, and beats in between.

    member = Member(settings, home, log, kind="nepse", name="nepse_00/4711")
    with member:
        while working:
            member.beat()
            rate = member.live["rate_per_s"]

One daemon thread: SUB on the topic `config`, and a `RequestChannel`. It never blocks the process or keeps it alive, retries
without limit while the broker is unreachable, and reports at once when it is back. PROTOCOL.md sections 7.5 and 7.6.
"""

import os
import socket as plain
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import zmq

from hulak.bus.errors import ConfigError, HandshakeFailed, ProtocolError
from hulak.bus.live_config.keys import DISPLAY, FEED, Value, defaults_of
from hulak.bus.live_config.scopes import Document, effective
from hulak.bus.process import endpoints, lifecycle, load_settings, sockets
from hulak.bus.process import log as logs
from hulak.bus.process.dead_threads import DeadThreads
from hulak.bus.process.log_type import Log
from hulak.bus.process.requests import SEARCH_AGAIN_S, RequestChannel
from hulak.bus.process.resource_usage import Usage
from hulak.bus.process.settings import Settings
from hulak.bus.process.sockets import BrokerAddress
from hulak.bus.wire import codec
from hulak.bus.wire.messages import Error, Reply
from hulak.bus.wire.names import CONFIG

REPORT_S = 1.0
BEAT_S = 0.25  # between two signs of life
UNWANTED_S = 10.0  # without beats after one was refused: an older broker does not know them
ANSWER_S = 10.0  # time limit of the answer to a report
LINGER_MS = 100  # for the last report to leave
STOP_S = 1.0  # time limit of `stop`
BEAT = "hulak.beat"
NOTHING: Document = {"version": 0, "at_ns": 0, "by": "", "note": "", "scopes": {}}  # before the broker has sent one


class Member:
    """The membership of this process. Every method may be called from any thread.

    Args:
        settings: the broker's addresses, and the defaults of live keys.
        home: the broker's folder.
        log: of this process.
        kind: one of `live_keys.KINDS`.
        name: unique within the kind.
        apply: called with each new document (the body of the topic `config`), in the member's thread and within milliseconds; if
            it raises, the version is not reported as applied. Not needed by a process that only reads `live`.
        collect: returns further values for the report, each second in the member's thread; must be quick.
        deferred: the version counts as applied when `applied` is called, instead of when `apply` has returned.
    """

    def __init__(
        self,
        settings: Settings,
        home: Path,
        log: Log,
        *,
        kind: str,
        name: str,
        apply: Callable[[Document], object] | None = None,
        collect: Callable[[], Mapping[str, Any]] | None = None,
        deferred: bool = False,
    ) -> None:
        self.settings = settings
        self.home = home
        self.log = log
        self.kind = kind
        self.name = name
        self.document: Document = NOTHING  # the newest one; replaced as a whole
        self.defaults = defaults_of(settings)
        self._scope = FEED + name if kind == "feed" else ""  # of this process alone
        self.live: Mapping[str, Value] = effective(
            NOTHING, kind, self._scope, self.defaults
        )  # the kind's values; replaced as a whole
        self.version = 0  # the applied one
        self._apply = apply
        self._collect = collect
        self._deferred = deferred
        self._started = time.monotonic()
        self._beat: float | None = None
        self._usage = Usage()
        self._dead_threads = DeadThreads()
        self._ends = False
        self._reloads = False
        self._end_reloads: Callable[[], None] = lambda: None
        self._report_due = 0.0  # used by the thread only
        self._beat_due = 0.0  # likewise
        self.refusal = ""  # why the broker does not accept the key: then the thread has ended
        self._refused = ""  # the code of the last answer that was an error
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._wakes, self._wakened = plain.socketpair()
        for end in (self._wakes, self._wakened):
            end.setblocking(False)
        self._thread = threading.Thread(target=self._run, name="member", daemon=True)

    # Called by the process

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def start(self) -> None:
        """Start; returns at once, even if there is no broker."""
        self._dead_threads.install()
        self._end_reloads = lifecycle.on_reload(self.reload)
        self._thread.start()

    def stop(self) -> None:
        """Send a last report with `leaving`, if a broker is there, and end; takes milliseconds. Further calls do nothing."""
        self._ends = True
        self._end_reloads()
        self._wake()
        if self._thread.is_alive():
            self._thread.join(STOP_S)
        elif self._thread.ident is None:
            self._close()  # it was never started

    def ended(self) -> bool:
        """Return whether the thread has ended without a call of `stop`: by an error, or since its key was refused."""
        return self._thread.ident is not None and not self._thread.is_alive() and not self._ends

    def beat(self) -> None:
        """Record that the main loop is running; the time since the last call is reported. Cheap: call it in every iteration."""
        self._beat = time.monotonic()

    def display(self, display: str) -> Mapping[str, Value]:
        """Return the values that apply to one display now."""
        return effective(self.document, "display", DISPLAY + display, self.defaults)

    def applied(self, version: int) -> None:
        """Set the version that is applied (see `deferred`), and report at once."""
        self.version = version
        self.report_now()

    def report_now(self) -> None:
        """Report at once, not at the next full second."""
        self._wake()

    def reload(self) -> None:
        """Read the settings file again, and apply those of its values that are defaults of live keys; in the member's thread."""
        self._reloads = True
        self._wake()

    def _wake(self) -> None:
        try:
            self._wakened.send(b"!")
        except OSError:  # full: a wake-up is pending already; closed: the thread has ended
            return

    # Run by the thread

    def _run(self) -> None:
        try:
            publisher = self._find()
            if publisher is not None:
                self._serve(publisher)
        except (
            HandshakeFailed,
            ConfigError,
        ) as error:  # libzmq does not try again; a process that is started again reads its key again
            self.refusal = str(error)
            self.log.error("key refused", code=getattr(error, "code", "CONFIG"), why=self.refusal)  # noqa: TRY400 - the trace says nothing more
        finally:
            self._close()

    def _close(self) -> None:
        self._dead_threads.uninstall()
        self._context.destroy(linger=LINGER_MS)
        self._wakes.close()
        self._wakened.close()

    def _find(self) -> BrokerAddress | None:
        """Wait for a broker; None if the process ends before there is one."""
        poller = zmq.Poller()
        poller.register(self._wakes, zmq.POLLIN)
        while not self._ends:
            where = endpoints.find(self.settings, self.home, "publisher")
            if where is not None:
                return where
            if poller.poll(int(SEARCH_AGAIN_S * 1000)):
                self._was_woken()
        return None

    def _serve(self, publisher: BrokerAddress) -> None:
        updates = sockets.connect(self._context, zmq.SUB, publisher, rcvhwm=1000)
        updates.subscribe(CONFIG)
        requests = RequestChannel(self._context, self.settings, self.home)
        try:
            while not self._ends:
                self._poll(updates, requests)
                if self._was_woken():
                    self._report_due = 0.0
                self._take(updates)
                if self._reloads:
                    self._reload()
                self._read_answers(requests)
                requests.step()
                now = time.monotonic()
                if now >= self._report_due and not self._ends:
                    # A report without a connection is retried soon: a restarted broker needs to know its processes.
                    done = self._send_report(requests, leaving=False)
                    self._report_due = time.monotonic() + (REPORT_S if done else SEARCH_AGAIN_S)
                    self._beat_due = max(self._beat_due, now + BEAT_S)
                elif now >= self._beat_due:
                    self._beat_due = now + BEAT_S
                    self._send_beat(requests)
            self._send_report(requests, leaving=True)
        finally:
            requests.close(LINGER_MS)

    def _poll(self, updates: "zmq.Socket[bytes]", requests: RequestChannel) -> None:
        poller = zmq.Poller()
        for socket in (updates, self._wakes, requests.socket):
            if socket is not None:
                poller.register(socket, zmq.POLLIN)
        due = min(self._report_due, self._beat_due)
        poller.poll(max(0, int((due - time.monotonic()) * 1000) + 1))

    def _was_woken(self) -> bool:
        try:
            return len(self._wakes.recv(4096)) > 0
        except BlockingIOError:
            return False

    # The configuration

    def _take(self, updates: "zmq.Socket[bytes]") -> None:
        """Apply the newest document received; older ones are skipped."""
        frame = None
        try:
            while True:
                frame = sockets.receive_frame(updates, sockets.NOBLOCK)
        except zmq.Again:
            pass
        if frame is None:
            return
        self._report_due = 0.0  # the broker has something new, or is new itself
        try:
            document = codec.unpack(codec.decode_publication(frame).body)
            live, version = effective(document, self.kind, self._scope, self.defaults), document["version"]
        except (ProtocolError, LookupError, TypeError) as error:
            self.log.warning("configuration malformed", why=repr(error))
            return
        if document != self.document or self.version != version:
            self._change(document, live, version)

    def _reload(self) -> None:
        self._reloads = False
        try:
            defaults = defaults_of(load_settings.load(self.home))
        except ConfigError as error:
            self.log.error("settings not reloaded", why=str(error))  # noqa: TRY400 - a wrong file is no bug
            return
        changed = {name: value for name, value in defaults.items() if value != self.defaults[name]}
        self.defaults = defaults
        self._change(self.document, effective(self.document, self.kind, self._scope, defaults), self.version)
        self.log.info("settings reloaded", changed=changed)

    def _change(self, document: Document, live: Mapping[str, Value], version: int) -> None:
        """Put a document in force: first set `live` for its readers, then call `apply`."""
        self.document, self.live = document, live
        try:
            logs.set_level(str(live["log_level"]))
            if self._apply is not None:
                self._apply(document)
        except Exception:  # the process's own bug must not end its reports
            self.log.exception("configuration not applied", version=version)
            return
        if not self._deferred:
            self.version = version
        self.log.debug("configuration applied", version=version)

    # Reports

    def _send_report(self, requests: RequestChannel, *, leaving: bool) -> bool:
        args: dict[str, Any] = {"kind": self.kind, "name": self.name, "pid": os.getpid()}
        args |= {"values": {}, "leaving": True} if leaving else {"values": self._values()}
        return requests.ask_now("hulak.report", args, timeout_s=ANSWER_S) is not None

    def _send_beat(self, requests: RequestChannel) -> None:
        args: dict[str, Any] = {"kind": self.kind, "name": self.name, "pid": os.getpid()}
        if (beat := self._beat) is not None:
            args["loop_age_s"] = round(time.monotonic() - beat, 3)
        requests.ask_now(BEAT, args, timeout_s=ANSWER_S)

    def _values(self) -> dict[str, Any]:
        now = time.monotonic()
        values: dict[str, Any] = {
            "config_version": self.version,
            "rss_bytes": self._usage.rss_bytes(),
            "cpu_s": self._usage.cpu_s(),
            "uptime_s": round(now - self._started, 3),
        }
        if self._dead_threads.errors:
            values["dead_threads"] = list(self._dead_threads.errors)
        beat = self._beat
        if beat is not None:
            values["loop_age_s"] = round(now - beat, 3)
        if self._collect is not None:
            try:
                values |= self._collect()
            except Exception:  # as in `_change`
                self.log.exception("report incomplete")
        return values

    def _read_answers(self, requests: RequestChannel) -> None:
        """Read the answers to reports, whose refusal is logged once per code, and to beats."""
        for request, message in requests.answers():
            if request is not None and request.request.service == BEAT:
                if isinstance(message, Error):
                    self._beat_due = time.monotonic() + UNWANTED_S
                elif isinstance(message, Reply) and message.value != {"known": True}:
                    self._report_due = 0.0
            elif not isinstance(message, Error):
                self._refused = ""
            elif message.code != self._refused:
                self._refused = message.code
                self.log.warning("report refused", code=message.code, why=message.text)
