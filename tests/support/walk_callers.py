"""Callers on the simulated network of `walk_world`: they ask, ask again, and wait for one answer."""

from walk_workers import FATES

from hulak.bus.wire.messages import Error, Part, Reply, Request

START_S = 100.0
FAULTS_S = 8.0  # how long things go wrong
SLACK_S = 2.0  # for delays, once nothing goes wrong any more
SERVICES = ("nepse", "other")


class Callers:
    """The callers' half of a world."""

    def __init__(self):
        self.callers, self.requests = {}, 0

    def call(self):
        self.requests += 1
        identity = self.requests.to_bytes(16, "big")
        service = self.random.choice(SERVICES)
        args = {"fate": self.random.choices(*FATES)[0]}
        options = {"timeout_ms": self.random.choice((800, 3000, 6000)), "retries": self.random.randint(0, 3)}
        request = {"request": Request(identity, service, "do", args, options), "answer": None, "asked": 0.0}
        self.callers[identity] = request
        self.ask(request)

    def ask(self, request):
        """Send it, for the first time or again; a repeat has another identity."""
        request["asked"] = self.now
        epoch, client = self.epoch, self.random.randbytes(5)

        def arrive():
            if self.broker_up and epoch == self.epoch:
                self.broker_request(client, request["request"])

        if self.broker_up:
            self.later(self.delay_s(), arrive)

    def deliver(self, client, message):
        request = self.callers[message.id]
        if isinstance(message, Part):
            return
        if isinstance(message, Error) and message.code == "BUSY":
            self.later(0.5, lambda: request["answer"] is None and self.ask(request))
            return
        if request["answer"] is None:
            request["answer"] = message
            self.seen["done" if isinstance(message, Reply) else message.code] += 1
            if isinstance(message, Reply):
                assert message.value == message.id, f"{message.id.hex()} got another's answer"
            limit_s = request["request"].options["timeout_ms"] / 1000
            if request["asked"] > START_S + FAULTS_S:
                assert self.now - request["asked"] <= limit_s + SLACK_S, f"{message.id.hex()} ended after its deadline"
