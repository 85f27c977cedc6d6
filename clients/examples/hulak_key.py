"""Connecting in plain Python, with a key (CURVE) where there is one: bus/PROTOCOL.md section 14."""

import os
import tomllib
from pathlib import Path

import zmq


def connect(socket: "zmq.Socket[bytes]", address: str) -> None:
    """Connect a socket: with a key if `HULAK_KEY` names its file and the address is TCP."""
    path, again = os.environ.get("HULAK_KEY"), address.replace("tcp://", "tcp://0.0.0.0:0;")
    if not path or address == again:
        socket.connect(address)
        return
    key = {name: value.encode() for name, value in tomllib.loads(Path(path).read_text()).items()}
    socket.immediate = 1  # nothing is queued for a connection that is not made
    socket.curve_publickey, socket.curve_secretkey = key["public"], key["secret"]
    for server, written in (("server", address), ("server_next", again)):  # while the broker's key is replaced: one of two
        if server in key:
            socket.curve_serverkey = key[server]
            socket.connect(written)  # libzmq connects to one text of an address only once
