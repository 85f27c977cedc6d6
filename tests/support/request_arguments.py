"""What a client asks of the broker, as whoever serves it gets it."""

from types import SimpleNamespace

from hulak.bus.broker.control_services import find
from hulak.bus.core.control_arguments import read
from hulak.bus.core.control_requests import wanted_of


def arguments(name, /, **args):
    """Read arguments of a control service as the broker does; `from_` stands for `from`."""
    return read(find(name).args, {name.removesuffix("_"): value for name, value in args.items()})


def read_wanted(args):
    """Say what `hulak.replay` with these arguments is to read."""
    return wanted_of(read(find("hulak.replay").args, args))


def serve(name, asker, now, args, **services):
    """Have a control service serve a request; returns the effects.

    Args:
        name: of it.
        asker: whose request it is.
        now: monotonic seconds.
        args: as they were sent.
        services: that are there, as `control_services.Services` has them.
    """
    return find(name).handler(SimpleNamespace(**services))(asker, read(find(name).args, args), now)
