"""The control services on the broker's state, which need neither the disk nor time: PROTOCOL.md section 7. Pure."""

from collections.abc import Callable
from itertools import islice
from typing import Any

from hulak.bus.core.broker_state import BrokerState
from hulak.bus.core.control_requests import (
    BeatArguments,
    FeedArguments,
    LastArguments,
    NoArguments,
    ReportArguments,
    RetireArguments,
)
from hulak.bus.core.effects import Asker, Effect
from hulak.bus.errors import ProtocolError
from hulak.bus.wire.names import PROTOCOL
from hulak.bus.wire.plain_values import suggestion
from hulak.bus.wire.replay_range import prefix_of

MOST_LAST = 10_000  # messages in one answer of `hulak.last`


class StateService:
    """Answers each request in the turn in which it arrives.

    Args:
        bus: the broker's state.
        shell: returns values of the shell, as for `BrokerState.stats`.
    """

    def __init__(self, bus: BrokerState, shell: Callable[[], dict[str, Any]]) -> None:
        self.bus = bus
        self.shell = shell

    def ping(self, asker: Asker, args: NoArguments, now: float) -> list[Effect]:
        """Answer with the broker's epoch, version and uptime; also with its process and home, unless the key may not `read`."""
        del args
        value = {"epoch": self.bus.epoch, "version": self.bus.version, "protocol": PROTOCOL}
        value["uptime_s"] = round(now - self.bus.started, 3)
        if asker.caller is None or asker.caller.rights.may_read:
            shell = self.shell()
            value |= {**shell.get("process", {}), "home": shell.get("home", "")}
        return [asker.reply(value)]

    def stats(self, asker: Asker, args: NoArguments, now: float) -> list[Effect]:
        """Answer with the broker's statistics."""
        del args
        return [asker.reply(self.bus.stats(now, self.shell()))]

    def feed(self, asker: Asker, args: FeedArguments, now: float) -> list[Effect]:
        """Open a feed's instance; answer with the last numbers that were accepted and journalled.

        Raises:
            ProtocolError: `BUSY`; `NOT_YOURS` or `BAD_ARGUMENT`, it cannot own the topics that it claims.
        """
        intake = self.bus.intake
        source = intake.open(args.instance, args.oldest, now)
        value: dict[str, Any] = {"taken": source.last, "safe": source.safe, "epoch": self.bus.epoch}
        value |= {"refused": source.refused, "refusals": dict(source.refusals)}
        if args.leaving:
            intake.close(args.instance)
        elif args.owns is not None:
            value["journalled"] = intake.own.claim(args.owns, args.instance, args.journal, now)
        return [asker.reply(value)]

    def owners(self, asker: Asker, args: NoArguments, now: float) -> list[Effect]:
        """Answer with the names of own topics: owner, kind, numbers."""
        del args
        return [asker.reply(self.bus.intake.own.rows(now))]

    def last(self, asker: Asker, args: LastArguments, now: float) -> list[Effect]:
        """Answer with the last message of a topic, or of all topics under a prefix, as published."""
        del now
        frames = (log.frame for log in self.bus.topics.under(prefix_of(args.topic)) if log.frame)
        return [asker.reply(list(islice(frames, MOST_LAST)))]

    def report(self, asker: Asker, args: ReportArguments, now: float) -> list[Effect]:
        """Record a process's report, or that it leaves.

        Raises:
            ProtocolError: `BUSY`; `FORBIDDEN`, a process of another key has this name.
        """
        reports, key = self.bus.reports, self._check_reporter(asker, args, now)
        if args.leaving:
            reports.leave(args.kind, args.name, args.pid)
        elif not reports.take(now, args.kind, args.name, args.pid, args.values, key):
            raise ProtocolError("BUSY", "too many processes report, no more are kept")
        return [asker.reply({})]

    def beat(self, asker: Asker, args: BeatArguments, now: float) -> list[Effect]:
        """Record that a process runs; answer whether its report is known.

        Raises:
            ProtocolError: `FORBIDDEN`, a process of another key has this name.
        """
        self._check_reporter(asker, args, now)
        return [asker.reply({"known": self.bus.reports.beat(now, args.kind, args.name, args.pid, args.loop_age_s)})]

    def _check_reporter(self, asker: Asker, args: ReportArguments | BeatArguments, now: float) -> str:
        """Return the name of the sender's key; empty for the owner of the broker.

        Raises:
            ProtocolError: `FORBIDDEN`, a process of another key has this name.
        """
        caller = asker.caller
        key = "" if caller is None else caller.name
        if caller is not None and self.bus.reports.is_of_other(now, args.kind, args.name, key):
            text = f"key {key!r} may not report as {args.kind} {args.name!r}: a process with another key, or without one, does so"
            raise caller.refuse("report", text)
        return key

    def retire(self, asker: Asker, args: RetireArguments, now: float) -> list[Effect]:
        """Ask a worker to finish the tasks that it holds and to leave.

        Raises:
            ProtocolError: `UNKNOWN_WORKER`.
        """
        del now
        effects = self.bus.dispatcher.retire(args.worker, args.reason)
        if not effects:
            names = sorted(worker.name for worker in self.bus.dispatcher.roster)
            known = f"known are {', '.join(names) or 'none'}{suggestion(args.worker, names)}"
            raise ProtocolError("UNKNOWN_WORKER", f"worker {args.worker!r} is not known; {known}")
        return [asker.reply({"worker": args.worker}), *effects]
