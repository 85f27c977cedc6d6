"""`python -m benchmarks.zproxy FRONTEND BACKEND`: libzmq's own proxy, in C, between publishers and subscribers."""

import sys

import zmq

from benchmarks import machine
from benchmarks.system import HWM


def main(frontend: str, backend: str) -> None:
    """Forward messages until terminated."""
    machine.end_with_parent()
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    publishers, subscribers = context.socket(zmq.XSUB), context.socket(zmq.XPUB)
    publishers.rcvhwm = publishers.sndhwm = subscribers.sndhwm = subscribers.rcvhwm = HWM
    publishers.bind(frontend)
    subscribers.bind(backend)
    zmq.proxy(publishers, subscribers)


if __name__ == "__main__":
    main(*sys.argv[1:])
