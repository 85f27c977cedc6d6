"""Judging a program: for each rule the sockets of a fake broker on free loopback ports, and the program beside them."""

import contextlib
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

import zmq

from hulak.clients.conform.kinds import Kind
from hulak.clients.conform.program import Program
from hulak.clients.conform.rule import Action, Fake, Finding, Restart, Rule, Send, Verdict

POLL_MS = 5  # between two looks at the time and at the program
MOST_AT_ONCE = 1_000  # messages of one socket between two looks
REBINDS_WITHIN_S = 5.0
TYPES = {"publisher": zmq.XPUB, "collector": zmq.SUB, "frontend": zmq.ROUTER, "backend": zmq.ROUTER}


class Sockets:
    """The fake broker's sockets, on free loopback ports; a context manager.

    Args:
        names: of the sockets, as in section 2.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.addresses = dict.fromkeys(names, "tcp://127.0.0.1:*")
        self._sockets: dict[str, zmq.Socket[bytes]] = {}
        self._poller = zmq.Poller()

    def __enter__(self) -> Self:
        self._bind()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._close()
        self._context.term()

    def restart(self) -> None:
        """Close all sockets, and bind new ones at the same addresses."""
        self._close()
        self._bind()

    def received(self, wait_ms: int) -> list[tuple[str, bytes, bytes]]:
        """Return name, peer and frame of each message received; of a multipart message its last frame."""
        ready = dict(self._poller.poll(wait_ms))
        seen = []
        for name, socket in self._sockets.items():
            for _ in range(MOST_AT_ONCE if socket in ready else 0):
                try:
                    peer, *frames = socket.recv_multipart(zmq.NOBLOCK)
                except zmq.Again:
                    break
                seen.append((name, peer, frames[-1]) if frames else (name, b"", peer))
        return seen

    def send(self, action: Send) -> None:
        """Send a frame; drop it if it cannot be sent at once, as the broker does."""
        with contextlib.suppress(zmq.Again):
            frames = [action.peer, action.frame] if action.peer else [action.frame]
            self._sockets[action.socket].send_multipart(frames, zmq.NOBLOCK)

    def _bind(self) -> None:
        for name, address in self.addresses.items():
            socket = self._sockets[name] = self._context.socket(TYPES[name])
            socket.linger = 0
            if TYPES[name] == zmq.XPUB:
                socket.xpub_verboser = 1
            deadline = time.monotonic() + REBINDS_WITHIN_S
            while True:
                try:
                    socket.bind(address)
                    break
                except zmq.ZMQError:  # the kernel may still hold the port for a moment
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(0.01)
            if TYPES[name] == zmq.SUB:
                socket.subscribe(b"")
            self.addresses[name] = str(socket.getsockopt_string(zmq.LAST_ENDPOINT)).rstrip("\0")
            self._poller.register(socket, zmq.POLLIN)

    def _close(self) -> None:
        for socket in self._sockets.values():
            self._poller.unregister(socket)
            socket.close()
        self._sockets.clear()


def judge(kind: Kind, rule: Rule, command: Sequence[str], limit_s: float) -> Verdict:
    """Start a program as often as the rule wants, play the rule's scenario, and judge it.

    Args:
        kind: of the program.
        rule: one of `kind.rules`.
        command: its words; the arguments of its kind are appended.
        limit_s: seconds that one run may take.
    Raises:
        ConfigError: the program cannot be started.
    """
    began = time.monotonic()
    fake = kind.fake(rule)
    with Sockets(kind.sockets) as sockets:
        for _ in range(rule.runs):
            program = Program([*command, *kind.arguments(rule, sockets.addresses)])
            try:
                _play(fake, sockets, program, rule, limit_s)
            finally:
                program.end()
            if fake.findings:
                break
    return Verdict(rule, tuple(fake.findings), time.monotonic() - began)


def _play(fake: Fake, sockets: Sockets, program: Program, rule: Rule, limit_s: float) -> None:
    """Run until the program ends, has broken a rule, or the time is over."""
    deadline = time.monotonic() + limit_s
    while (code := program.code()) is None and time.monotonic() < deadline and not fake.findings:
        for name, peer, frame in sockets.received(POLL_MS):
            _carry_out(fake.took(name, peer, frame, time.monotonic()), sockets)
        _carry_out(fake.passed(time.monotonic(), program.lines), sockets)
    for name, peer, frame in sockets.received(50):  # its last messages
        fake.took(name, peer, frame, time.monotonic())
    if code is None and fake.findings:
        return
    fake.ended(program.lines)
    written = f"; it wrote {program.errors[-1]!r}" if program.errors else ""
    if code is None:
        fake.findings.append(Finding(rule.section, f"the program has not ended within {limit_s:g} s{written}"))
    elif code != 0:
        fake.findings.append(Finding(rule.section, f"the program ended with {code}, must end with 0{written}"))


def _carry_out(actions: Sequence[Action], sockets: Sockets) -> None:
    for action in actions:
        if isinstance(action, Restart):
            sockets.restart()
        else:
            sockets.send(action)
