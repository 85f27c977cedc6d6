"""Answers to control requests that every fake broker gives. Pure."""

from hulak.bus.wire.messages import Error, Reply, Request

EPOCH = 1_795_000_000_000  # of the fake broker, at first
PING = {"epoch": EPOCH, "version": "0", "protocol": 1, "uptime_s": 1.0}


def answer_control(request: Request) -> Reply | Error:
    """Answer what the rules are not about: a ping, a report, and services that the fake broker does not have."""
    if request.service == "hulak.ping":
        return Reply(request.id, PING)
    if request.service == "hulak.report":
        return Reply(request.id, {})
    return Error(request.id, "UNKNOWN_SERVICE", f"the conformance kit has no service {request.service!r}", {})
