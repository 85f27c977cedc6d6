"""The public name of the subscriber; it lives in `bus.subscriber`, since workers subscribe too."""

from hulak.bus.subscriber.events import Event
from hulak.bus.subscriber.history_start import LIVE
from hulak.bus.subscriber.ring_transport import Transport
from hulak.bus.subscriber.sequence_tracker import Gap
from hulak.bus.subscriber.subscriber import Mode, Subscriber

__all__ = ["LIVE", "Event", "Gap", "Mode", "Subscriber", "Transport"]
