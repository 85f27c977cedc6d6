"""Requests of a client as the broker's services receive them."""

from types import SimpleNamespace

from hulak.bus.broker.control_services import find
from hulak.bus.core.control_arguments import read
from hulak.bus.core.control_requests import range_of


def arguments(name, /, **args):
    """Read arguments of a control service as the broker does; `from_` stands for `from`."""
    return read(find(name).args, {name.removesuffix("_"): value for name, value in args.items()})


def read_wanted(args):
    """Return the range that `hulak.replay` reads for these arguments."""
    return range_of(read(find("hulak.replay").args, args))


def serve(name, asker, now, args, **services):
    """Call a control service with a request; return the effects.

    Args:
        name: of it.
        asker: whose request it is.
        now: monotonic seconds.
        args: as they were sent.
        services: that are there, as `control_services.Services` has them.
    """
    return find(name).handler(SimpleNamespace(**services))(asker, read(find(name).args, args), now)
