"""The rules for feeds, as data: losses, refusals and restarts of the fake broker. Pure."""

from dataclasses import dataclass

from hulak.clients.conform.rule import Rule

SYMBOL = "EURUSD"
TOPIC = f"tick.{SYMBOL}"


@dataclass(frozen=True)
class FeedRule(Rule):
    """A rule, and its scenario."""

    count: int = 20  # ticks that the feed posts
    lost: int = 0  # number of the message that is lost once on its way
    forgets: int = 0  # when this many are taken, the broker is restarted, and has taken only a half of them
    busy: int = 0  # number of requests that get the ERROR BUSY
    unsafe_s: float = 0.0  # s after the last message was taken, until when none is safe; then the broker has lost all


FEED_RULES = (
    FeedRule("frames", "3.4", "Each frame is a topic, NUL, the feed's stamp and the body of a tick."),
    FeedRule("announces", "3.4", "hulak.feed is answered before the first numbered message is sent."),
    FeedRule("new-instance", "3.4", "A feed chooses another instance at each start.", count=2, runs=2),
    FeedRule("busy", "3.4", "After BUSY the feed tries again later.", busy=2),
    FeedRule("lost", "3.4", "When `taken` stands still, the feed sends again from `taken` + 1.", lost=5),
    FeedRule("restart", "3.4", "When the epoch has changed, the feed sends again from `taken` + 1.", forgets=10),
    FeedRule("keeps-until-safe", "3.4", "Messages are kept until they are safe, not only taken.", unsafe_s=1.0),
)
