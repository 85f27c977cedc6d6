"""The public name of the subscriber; it lives in `bus.subscriber`, since workers subscribe too."""

from bus.subscriber.events import Event
from bus.subscriber.sequence_tracker import Gap
from bus.subscriber.subscriber import Mode, Subscriber

__all__ = ["Event", "Gap", "Mode", "Subscriber"]
