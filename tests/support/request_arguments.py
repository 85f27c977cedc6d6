"""What a client asks of the broker, as whoever serves it gets it."""

from bus.core import control_requests


def arguments(service, /, **args):
    """Read arguments as the broker does; `from_` stands for `from`."""
    return control_requests.arguments_of(service, {name.removesuffix("_"): value for name, value in args.items()})


def read_wanted(args):
    """Say what `hulak.replay` with these arguments is to read."""
    return control_requests.wanted_of(control_requests.arguments_of("hulak.replay", args))
