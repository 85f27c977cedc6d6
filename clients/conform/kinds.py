"""The kinds of programs: subscriber, feed, client, worker; each with its sockets, its arguments and its rules. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hulak.clients.conform import client_rules, feed_rules, subscriber_rules, worker_rules
from hulak.clients.conform.client_rules import CLIENT_RULES
from hulak.clients.conform.fake_backend import FakeBackend
from hulak.clients.conform.fake_collector import FakeCollector
from hulak.clients.conform.fake_frontend import FakeFrontend
from hulak.clients.conform.fake_publisher import FakePublisher
from hulak.clients.conform.feed_rules import FEED_RULES
from hulak.clients.conform.rule import Fake, Rule
from hulak.clients.conform.subscriber_rules import SUBSCRIBER_RULES
from hulak.clients.conform.worker_rules import WORKER_RULES


@dataclass(frozen=True)
class Kind:
    """One kind of program."""

    name: str
    sockets: tuple[str, ...]  # the broker's that it connects to; their addresses are its first arguments, in this order
    further: Callable[[Any], tuple[str, ...]]  # its further arguments, of a rule
    rules: Sequence[Rule]
    fake: Callable[[Any], Fake]

    def arguments(self, rule: Rule, addresses: Mapping[str, str]) -> list[str]:
        """Return the arguments that the program gets for a rule."""
        return [*(addresses[name] for name in self.sockets), *self.further(rule)]


KINDS = {
    kind.name: kind
    for kind in (
        Kind(
            "subscriber",
            ("publisher", "frontend"),
            lambda rule: (subscriber_rules.TOPIC, str(len(rule.wanted))),
            SUBSCRIBER_RULES,
            FakePublisher,
        ),
        Kind(
            "feed",
            ("collector", "frontend"),
            lambda rule: (feed_rules.SYMBOL, str(rule.count)),
            FEED_RULES,
            FakeCollector,
        ),
        Kind(
            "client",
            ("frontend",),
            lambda rule: (client_rules.SERVICE, client_rules.ACTION, str(rule.count)),
            CLIENT_RULES,
            FakeFrontend,
        ),
        Kind("worker", ("backend",), lambda _: (worker_rules.SERVICE,), WORKER_RULES, FakeBackend),
    )
}
