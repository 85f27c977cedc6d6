"""`python -m benchmarks.dropping FRONTEND BACKEND EVERY`: a broker that drops each tick whose number is divisible by EVERY.

The negative control: a measurement must detect exactly these losses.
"""

import sys

import zmq

from benchmarks import machine, tick
from benchmarks.system import HWM


def main(frontend: str, backend: str, every: str) -> None:
    """Forward the other ticks until terminated."""
    machine.end_with_parent()
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    publishers, subscribers = context.socket(zmq.SUB), context.socket(zmq.PUB)
    publishers.subscribe(b"")
    publishers.rcvhwm = subscribers.sndhwm = HWM
    publishers.bind(frontend)
    subscribers.bind(backend)
    while True:
        topic, body = publishers.recv_multipart()
        if int(tick.number_at(body, tick.NUMBER_AT)[0]) % int(every):
            subscribers.send_multipart([topic, body])


if __name__ == "__main__":
    main(*sys.argv[1:])
