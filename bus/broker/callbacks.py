"""What the parts of the broker ask of its loop, and what the loop asks of them, as types of callbacks."""

from collections.abc import Callable
from typing import Any

from bus.core.effects import Effect
from bus.errors import ProtocolError
from bus.wire.messages import Request

Answer = Callable[[bytes, Any], bool]  # sends a message to a client; false if it cannot be reached
CarryOut = Callable[[list[Effect], float], None]  # carries out effects, at a time in monotonic seconds
Publish = Callable[[bytes | None], None]  # sends a message to the subscribers, None for nothing
Reject = Callable[[str, bytes, ProtocolError], None]  # told what cannot be read: socket, identity, error
ControlHandler = Callable[[bytes, Request, Any, float], None]  # answers a control request of a client, now or when it can
