"""The public name of the subscriber; it lives in `bus.subscribing`, since workers subscribe too."""

from bus.subscribing.events import Event
from bus.subscribing.follower import Mode
from bus.subscribing.replica import Gap
from bus.subscribing.subscriber import Subscriber

__all__ = ["Event", "Gap", "Mode", "Subscriber"]
