"""What a client asks of the broker, as whoever serves it gets it."""

from bus.core import requests


def arguments(service, /, **args):
    """Read arguments as the broker does; `from_` stands for `from`."""
    return requests.arguments_of(service, {name.removesuffix("_"): value for name, value in args.items()})


def read_wanted(args):
    """Say what `hulak.replay` with these arguments is to read."""
    return requests.wanted_of(requests.arguments_of("hulak.replay", args))
