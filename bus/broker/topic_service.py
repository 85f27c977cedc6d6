"""The service of the broker that removes topics of feeds and own ones: `hulak.topic.remove`, PROTOCOL.md section 7.7."""

from collections.abc import Callable

from hulak.bus.broker.storage.journal import Journal
from hulak.bus.core.broker_state import BrokerState
from hulak.bus.core.control_requests import TopicRemoveArguments
from hulak.bus.core.effects import Asker, Effect
from hulak.bus.core.journal.record_format import Snapshot
from hulak.bus.core.journal.segment_index import TopicOrdinals
from hulak.bus.errors import ProtocolError
from hulak.bus.process.log_type import Log
from hulak.bus.wire.codec import NUL
from hulak.bus.wire.replay_range import prefix_of


class TopicService:
    """Removes topics, and answers when the journal has it: a new segment begins with the remaining topics.

    Args:
        bus: holds the topics.
        journal: open.
        state: returns the snapshot that a segment begins with.
        log: of this process.
    """

    def __init__(self, bus: BrokerState, journal: Journal, state: Callable[[], Snapshot], log: Log) -> None:
        self.bus = bus
        self.journal = journal
        self.state = state
        self.log = log

    def remove(self, asker: Asker, args: TopicRemoveArguments, now: float) -> list[Effect]:
        """Remove topics; unknown names are ignored.

        Raises:
            ProtocolError: `STORE_FAILED`, the journal cannot be written.
        """
        topics = self.bus.topics
        named = {log.key: log for name in args.topics for log in topics.under(prefix_of(name))}
        fed = [key for key in named if key in topics.fed]
        if fed and self.journal.degraded:
            raise ProtocolError("STORE_FAILED", f"no topic was removed, the journal cannot be written: {self.journal.degraded}")
        transient = [key for key, log in named.items() if log.transient]
        for key in transient:
            topics.drop(key)
        journalled = topics.remove(fed)
        removed = sorted(key.removesuffix(NUL).decode() for key in (*journalled, *transient))
        if removed:
            self.log.info("topics removed", count=len(removed), first=removed[0], last=removed[-1])
        if journalled:
            ordinals = TopicOrdinals()
            if not self.journal.begin_renumbered(self.state(), ordinals, now):
                text = f"{len(journalled)} topics were removed until the next start only, the journal cannot be written"
                raise ProtocolError("STORE_FAILED", f"{text}: {self.journal.degraded}")
            topics.renumber(ordinals)
        return [asker.reply({"removed": removed})]
