"""Names used on the wire: topics, prefixes of topics, services. PROTOCOL.md. Constants only."""

from typing import Final

from hulak.bus.wire.codec import NUL

PROTOCOL = 1  # its version

# Topics
TICK_TOPICS = b"tick."
TRADE_TOPICS = b"trade."
MARKET_TOPICS = b"market."
BAR_TOPICS = b"bar."
EVERY_TOPICS = b"every."
STATE_TOPICS = b"state."
ALERT_TOPICS = b"alert."
DERIVED = (BAR_TOPICS, EVERY_TOPICS, STATE_TOPICS, ALERT_TOPICS)  # made of ticks (section 3.12)
OWNED_BY_FEEDS = (TICK_TOPICS, TRADE_TOPICS, MARKET_TOPICS, *DERIVED)  # numbered in one order, and journalled
OWN_TOPICS = b"app."  # `app.<name>`, and topics below it: of the program that owns the name (section 3.11)
JOURNALLED = (*OWNED_BY_FEEDS, OWN_TOPICS)  # of own topics only those whose messages have an epoch
APART = (OWN_TOPICS, *DERIVED)  # in `ticks` the body of their messages is `NO_BODY`
NO_BODY: Final = b"\x80"  # an empty map, which no tick can be taken from
OWNED_BY_DISPLAYS = b"display."
TICKS = b"ticks" + NUL  # all ticks of one turn, as one message (section 3.5)
DISPLAYS = b"displays" + NUL  # all rows of displays
CONFIG = b"config" + NUL
STATS = b"stats" + NUL
HEARTBEAT = b"heartbeat" + NUL
HELLO = b"hulak.hello" + NUL  # always has a last value: shows a subscriber that its subscriptions are in place

ANY_SOURCE: Final = "any"  # of a display: ticks of all sources count
LONGEST_SOURCE = 200  # characters; a longer name is cut

# Services of workers
DISPLAY_SERVICE = "display"
NEPSE_SERVICE = "nepse"
SLOTS = 5  # of the service nepse in etc/supervisord.conf
AUTO: Final = "auto"  # the number of workers was not set by hand

DERIVER: Final = "derive"  # the feed, and process, that makes derived topics

SILENT_S = 10.0  # an older report is not current
