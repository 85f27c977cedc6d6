"""`python -m benchmarks.zenoh_router ENDPOINT`: a Zenoh router, as `zenohd` is, in a separate process."""

import sys
import threading

from benchmarks import machine
from benchmarks.systems.zenoh import session


def main(endpoint: str) -> None:
    """Route until terminated."""
    machine.end_with_parent()
    with session("router", listen=endpoint):
        threading.Event().wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
