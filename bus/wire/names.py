"""Names that stand on the wire: topics, prefixes of topics, services. PROTOCOL.md. Constants only."""

from typing import Final

from bus.wire.codec import NUL

CONFIG = b"config\0"  # the topic

SERVICE = "display"  # of the workers
DISPLAYS = b"displays" + NUL  # the topic of all rows
OWNED_BY_DISPLAYS = b"display."

OWNED_BY_FEEDS = b"tick."
TICKS = b"ticks" + NUL  # everything one turn took in, as one message (section 3.5)
HEARTBEAT = b"heartbeat" + NUL
HELLO = b"hulak.hello" + NUL  # always has a last value: tells a subscriber that its subscriptions are in place

STATS = b"stats\0"
PROTOCOL = 1
AUTO: Final = "auto"  # no number of workers was set by hand

SERVICES = ("nepse",)  # that have slots in etc/supervisord.conf
SLOTS = 5  # of each of them there
