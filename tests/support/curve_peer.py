"""A broker's four sockets in this process, with keys: libzmq's CURVE, and a table of the keys that it accepts."""

import contextlib
import shutil
import socket
import tempfile
import threading
from pathlib import Path

import zmq
import zmq.utils.z85
from local_bus import free_ports
from waiting import eventually

from hulak.bus.process import key_files
from hulak.bus.process.key_files import ClientKey
from hulak.bus.process.settings import BrokerSettings, SecuritySettings, Settings

KINDS = {"collector": zmq.SUB, "publisher": zmq.XPUB, "frontend": zmq.ROUTER, "backend": zmq.ROUTER}


class CurvePeer:
    """The sockets of a broker that wants keys, and a home for its clients' files.

    Attributes:
        accepted: the public keys that it accepts, in Z85.
        denials: keys that it refused, in order.
        pair: its own key.
    """

    def __init__(self):
        self.home = Path(tempfile.mkdtemp(prefix="hulak-", dir="/tmp"))
        self.addresses = {name: f"tcp://127.0.0.1:{port}" for name, port in zip(KINDS, free_ports(4), strict=True)}
        self.context = zmq.Context()
        self.pair = key_files.new_pair()
        self.accepted, self.denials, self.sockets = set(), [], {}
        self._ends = threading.Event()
        self._zap = self.context.socket(zmq.ROUTER)
        self._zap.bind("inproc://zeromq.zap.01")
        self._thread = threading.Thread(target=self._decide, daemon=True)
        self._thread.start()

    def _decide(self):
        while not self._ends.is_set():
            if not self._zap.poll(20):
                continue
            identity, _, version, request, *_, mechanism, key = self._zap.recv_multipart()
            public = zmq.utils.z85.encode(key).decode()
            known = mechanism == b"CURVE" and public in self.accepted
            if not known:
                self.denials.append(public)
            code, text = (b"200", b"OK") if known else (b"400", b"No")
            self._zap.send_multipart([identity, b"", version, request, code, text, b"somebody" if known else b"", b""])

    def bind(self, *names, keys=True):
        """Bind these of the broker's sockets, all if none is named."""
        for name in names or KINDS:
            socket = self.sockets[name] = self.context.socket(KINDS[name])
            socket.linger = 0
            if keys:
                socket.zap_domain, socket.curve_server = b"hulak", 1
                socket.curve_secretkey = self.pair.secret.encode()
            if name == "collector":
                socket.subscribe(b"")
            while True:
                with contextlib.suppress(zmq.ZMQError):  # the former socket is being closed
                    socket.bind(self.addresses[name])
                    break

    def unbind(self):
        """Close all sockets, as a broker that ends does; libzmq's thread stops listening a moment later."""
        for opened in self.sockets.values():
            opened.close()
        bound = [self.addresses[name] for name in self.sockets]
        eventually(lambda: not any(map(is_bound, bound)), within_s=20)
        self.sockets.clear()

    def key(self, name="alice", *, accepted=True, **changes):
        """Write the file of a new client's key; return its path."""
        pair = key_files.new_pair()
        if accepted:
            self.accepted.add(pair.public)
        given = {"public": pair.public, "secret": pair.secret, "server": self.pair.public, **changes}
        return key_files.write_client_key(self.home / f"{name}.secret", ClientKey(name=name, **given), replace=True)

    def settings(self, key=None, **security):
        """Return the settings of a client with this key."""
        return Settings(broker=BrokerSettings(**self.addresses), security=SecuritySettings(key=key, **security))

    def revoke(self, path):
        """Refuse a key from now on, and end its connections with all others."""
        self.accepted.discard(key_files.read_client_key(path).public)
        names = list(self.sockets)
        self.unbind()
        self.bind(*names)

    def end(self):
        """Close everything."""
        self._ends.set()
        self._thread.join()
        self.context.destroy(linger=0)
        shutil.rmtree(self.home, ignore_errors=True)


def is_bound(address):
    """Return whether a program listens at this TCP address."""
    host, port = address.removeprefix("tcp://").rsplit(":", 1)
    with socket.socket() as trial:
        return trial.connect_ex((host, int(port))) == 0
