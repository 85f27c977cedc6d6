"""A program that opens connections and does not close them."""

import contextlib

import zmq


@contextlib.contextmanager
def leak(local_bus, many):
    """Open subscribers to a topic that nothing comes of, and keep them."""
    context = zmq.Context()
    context.max_sockets = 2 * many
    try:
        leaked = [context.socket(zmq.SUB) for _ in range(many)]
        for socket in leaked:
            socket.subscribe(b"tick.NEVER\0")
            socket.connect(local_bus.addresses["publisher"])
        yield
    finally:
        context.destroy(linger=0)
