"""The service of schedules around a real database, with a wall clock that the test sets."""

import time
from datetime import UTC, datetime

from posted_task_fixture import COUNT, NO_LOG, PostedTaskFixture
from request_arguments import serve

from hulak.bus.broker.schedule_service import ScheduleService
from hulak.bus.core.effects import Asker
from hulak.bus.core.tasks.moments import Moment
from hulak.bus.errors import ProtocolError
from hulak.bus.wire.messages import Reply

NS = 10**9


def utc(text):
    """Return a moment, given in UTC, in seconds."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


class ScheduleFixture(PostedTaskFixture):
    """Schedules, the tasks of their runs, and the answers to clients."""

    def __init__(self, folder, now="2026-11-30T09:00", **bounds):
        super().__init__(folder, **bounds)
        self.wall_s, self.age_s = utc(now), 0.0
        self.schedules = ScheduleService(self.posted_tasks.posts, 86_400.0, self.moment, NO_LOG)
        self.carry_out(self.schedules.begin())
        self.caller = None

    def moment(self):
        return Moment(time.monotonic(), int(self.wall_s * NS), self.age_s)

    def ask(self, control, request_id=None, **args):
        """Send a request about schedules or tasks, and return the value or the code of the answer."""
        asker = Asker(b"c", request_id or b"%016d" % next(COUNT), caller=self.caller)
        before = len(self.answers_to(asker.request))
        services = {"tasks": self.posted_tasks, "schedules": self.schedules}
        try:
            self.carry_out(serve(f"hulak.{control}", asker, time.monotonic(), args, **services))
        except ProtocolError as error:
            self.carry_out([asker.refuse(error)])
        self.until(lambda: len(self.answers_to(asker.request)) > before)
        message = self.answers_to(asker.request)[-1]
        self.text = getattr(message, "text", "")
        return message.value if isinstance(message, Reply) else message.code

    def add(self, **args):
        return self.ask("schedule.add", **{"service": "s", "action": "a", "name": "n", **args})

    def show(self, name="n"):
        return self.ask("schedule.list", name=name)[0]

    def go_to(self, moment):
        """Set the wall clock, and do what the loop does: heartbeats, and runs that are due."""
        self.wall_s = utc(moment) if isinstance(moment, str) else moment
        while True:
            self.carry_out(self.schedules.beat(time.monotonic()))
            self.settle()
            if self.schedules.due > time.monotonic():
                return
            self.carry_out(self.schedules.run(time.monotonic()))
            self.settle()

    def tasks(self):
        """Return the tasks in the order in which they were posted."""
        return [bytes(row["task"]) for row in reversed(self.ask("tasks", limit=1000))]
