"""The one registry of control services: arguments, role, handler, and time of the answer. PROTOCOL.md sections 6.2, 7, 11.1.

Arguments are read only here: a handler receives them as a struct, each of its type and within its bounds.
"""

from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Any

from msgspec import Struct

from hulak.bus.broker.alert_service import AlertService
from hulak.bus.broker.config_service import ConfigService
from hulak.bus.broker.display_service import DisplayService
from hulak.bus.broker.key_service import KeyService
from hulak.bus.broker.layout_service import LayoutService
from hulak.bus.broker.position_service import PositionService
from hulak.bus.broker.posted_task_service import PostedTaskService
from hulak.bus.broker.scale_service import ScaleService
from hulak.bus.broker.schedule_service import ScheduleService
from hulak.bus.broker.store_effects import BrokerEffect
from hulak.bus.broker.tick_service import TickService
from hulak.bus.broker.topic_service import TopicService
from hulak.bus.core.alerts.alert_requests import (
    AlertArguments,
    AlertEnableArguments,
    AlertListArguments,
    AlertNameArguments,
)
from hulak.bus.core.control import StateService
from hulak.bus.core.control_arguments import Arguments
from hulak.bus.core.control_requests import (
    BeatArguments,
    CallsArguments,
    ConfigAppliedArguments,
    ConfigGetArguments,
    ConfigHistoryArguments,
    ConfigRevertArguments,
    ConfigSetArguments,
    DisplayCreateArguments,
    DisplayDayArguments,
    DisplayRemoveArguments,
    DisplayUpdateArguments,
    FeedArguments,
    LastArguments,
    NoArguments,
    PositionArguments,
    PositionRemoveArguments,
    PositionSaveArguments,
    PostArguments,
    ReplayArguments,
    ReportArguments,
    ResultArguments,
    RetireArguments,
    ScaleArguments,
    TaskIdArguments,
    TasksArguments,
    TopicRemoveArguments,
    WhoamiArguments,
)
from hulak.bus.core.effects import Asker
from hulak.bus.core.layout_requests import (
    LayoutListArguments,
    LayoutNameArguments,
    LayoutPutArguments,
    LayoutRemoveArguments,
)
from hulak.bus.core.schedules.schedule_requests import (
    CalendarArguments,
    CalendarNameArguments,
    ScheduleArguments,
    ScheduleListArguments,
    ScheduleNameArguments,
)
from hulak.bus.core.security import needs
from hulak.bus.core.security.needs import Need
from hulak.bus.errors import ProtocolError

# Serves a request, at a time in monotonic seconds; a ProtocolError that it raises is the answer.
ControlHandler = Callable[[Asker, Any, float], Sequence[BrokerEffect]]


class Services(Struct, frozen=True):
    """All objects that serve control requests."""

    state: StateService
    ticks: TickService
    tasks: PostedTaskService
    config: ConfigService
    displays: DisplayService
    topics: TopicService
    scale: ScaleService
    keys: KeyService
    positions: PositionService
    schedules: ScheduleService
    alerts: AlertService
    layouts: LayoutService


class Answers(Enum):
    """When a service answers."""

    AT_ONCE = "in the iteration of the loop that receives the request"
    STORED = "when the store or the journal has it"
    WAITS = "after an event, or when the time has expired; not for a client whose connection has ended"


class ControlService(Struct, frozen=True):
    """One control service."""

    args: type[Arguments]
    needs: Need  # the role that a client with a key needs
    answers: Answers
    handler: Callable[[Services], ControlHandler]
    large: bool = False  # its answer may be large: such answers are bounded for a client that does not read


SERVICES: Mapping[str, ControlService] = {
    "hulak.ping": ControlService(NoArguments, needs.any_key, Answers.AT_ONCE, lambda of: of.state.ping),
    "hulak.stats": ControlService(NoArguments, needs.reader, Answers.AT_ONCE, lambda of: of.state.stats, large=True),
    "hulak.feed": ControlService(FeedArguments, needs.claimer, Answers.AT_ONCE, lambda of: of.state.feed),
    "hulak.replay": ControlService(ReplayArguments, needs.replayer, Answers.WAITS, lambda of: of.ticks.replay),
    "hulak.last": ControlService(LastArguments, needs.last_reader, Answers.AT_ONCE, lambda of: of.state.last, large=True),
    "hulak.position.open": ControlService(PositionArguments, needs.subscriber, Answers.STORED, lambda of: of.positions.open),
    "hulak.position.save": ControlService(PositionSaveArguments, needs.subscriber, Answers.STORED, lambda of: of.positions.save),
    "hulak.position.list": ControlService(
        NoArguments, needs.position_reader, Answers.STORED, lambda of: of.positions.rows, large=True
    ),
    "hulak.position.remove": ControlService(
        PositionRemoveArguments, needs.position_reader, Answers.STORED, lambda of: of.positions.remove
    ),
    "hulak.topic.owners": ControlService(NoArguments, needs.reader, Answers.AT_ONCE, lambda of: of.state.owners, large=True),
    "hulak.topic.remove": ControlService(TopicRemoveArguments, needs.controller, Answers.AT_ONCE, lambda of: of.topics.remove),
    "hulak.report": ControlService(ReportArguments, needs.reporter, Answers.AT_ONCE, lambda of: of.state.report),
    "hulak.beat": ControlService(BeatArguments, needs.reporter, Answers.AT_ONCE, lambda of: of.state.beat),
    "hulak.retire": ControlService(RetireArguments, needs.controller, Answers.AT_ONCE, lambda of: of.state.retire),
    "hulak.scale": ControlService(ScaleArguments, needs.controller, Answers.STORED, lambda of: of.scale.scale),
    "hulak.post": ControlService(PostArguments, needs.poster, Answers.STORED, lambda of: of.tasks.posts.post),
    "hulak.result": ControlService(ResultArguments, needs.submitter, Answers.WAITS, lambda of: of.tasks.result, large=True),
    "hulak.cancel": ControlService(TaskIdArguments, needs.canceller, Answers.STORED, lambda of: of.tasks.cancel),
    "hulak.tasks": ControlService(TasksArguments, needs.lister, Answers.STORED, lambda of: of.tasks.tasks, large=True),
    "hulak.task.show": ControlService(
        TaskIdArguments, needs.submitter, Answers.STORED, lambda of: of.tasks.inspection.show, large=True
    ),
    "hulak.calls": ControlService(
        CallsArguments, needs.lister, Answers.AT_ONCE, lambda of: of.tasks.inspection.calls, large=True
    ),
    "hulak.retry": ControlService(TaskIdArguments, needs.controller, Answers.STORED, lambda of: of.tasks.posts.retry),
    "hulak.drop": ControlService(TaskIdArguments, needs.controller, Answers.STORED, lambda of: of.tasks.drop),
    "hulak.schedule.add": ControlService(ScheduleArguments, needs.poster, Answers.STORED, lambda of: of.schedules.add),
    "hulak.schedule.list": ControlService(
        ScheduleListArguments, needs.submitter, Answers.STORED, lambda of: of.schedules.rows, large=True
    ),
    "hulak.schedule.pause": ControlService(ScheduleNameArguments, needs.canceller, Answers.STORED, lambda of: of.schedules.pause),
    "hulak.schedule.resume": ControlService(
        ScheduleNameArguments, needs.canceller, Answers.STORED, lambda of: of.schedules.resume
    ),
    "hulak.schedule.remove": ControlService(
        ScheduleNameArguments, needs.canceller, Answers.STORED, lambda of: of.schedules.remove
    ),
    "hulak.schedule.run": ControlService(ScheduleNameArguments, needs.canceller, Answers.STORED, lambda of: of.schedules.run_now),
    "hulak.calendar.set": ControlService(
        CalendarArguments, needs.controller, Answers.STORED, lambda of: of.schedules.set_calendar
    ),
    "hulak.calendar.list": ControlService(
        NoArguments, needs.submitter, Answers.STORED, lambda of: of.schedules.calendars, large=True
    ),
    "hulak.calendar.remove": ControlService(
        CalendarNameArguments, needs.controller, Answers.STORED, lambda of: of.schedules.remove_calendar
    ),
    "hulak.alert.add": ControlService(AlertArguments, needs.alerter, Answers.STORED, lambda of: of.alerts.add),
    "hulak.alert.list": ControlService(
        AlertListArguments, needs.alert_reader, Answers.STORED, lambda of: of.alerts.rows, large=True
    ),
    "hulak.alert.enable": ControlService(AlertEnableArguments, needs.alert_changer, Answers.STORED, lambda of: of.alerts.enable),
    "hulak.alert.remove": ControlService(AlertNameArguments, needs.alert_changer, Answers.STORED, lambda of: of.alerts.remove),
    "hulak.layout.list": ControlService(
        LayoutListArguments, needs.reader, Answers.STORED, lambda of: of.layouts.rows, large=True
    ),
    "hulak.layout.show": ControlService(
        LayoutNameArguments, needs.reader, Answers.STORED, lambda of: of.layouts.show, large=True
    ),
    "hulak.layout.put": ControlService(LayoutPutArguments, needs.controller, Answers.STORED, lambda of: of.layouts.put),
    "hulak.layout.remove": ControlService(LayoutRemoveArguments, needs.controller, Answers.STORED, lambda of: of.layouts.remove),
    "hulak.config.get": ControlService(ConfigGetArguments, needs.reader, Answers.AT_ONCE, lambda of: of.config.get, large=True),
    "hulak.config.set": ControlService(ConfigSetArguments, needs.controller, Answers.STORED, lambda of: of.config.set),
    "hulak.config.revert": ControlService(ConfigRevertArguments, needs.controller, Answers.STORED, lambda of: of.config.revert),
    "hulak.config.history": ControlService(
        ConfigHistoryArguments, needs.reader, Answers.AT_ONCE, lambda of: of.config.history, large=True
    ),
    "hulak.config.applied": ControlService(ConfigAppliedArguments, needs.reader, Answers.WAITS, lambda of: of.config.applied),
    "hulak.display.create": ControlService(
        DisplayCreateArguments, needs.controller, Answers.STORED, lambda of: of.displays.create
    ),
    "hulak.display.update": ControlService(
        DisplayUpdateArguments, needs.controller, Answers.STORED, lambda of: of.displays.update
    ),
    "hulak.display.remove": ControlService(
        DisplayRemoveArguments, needs.controller, Answers.STORED, lambda of: of.displays.remove
    ),
    "hulak.display.list": ControlService(
        NoArguments, needs.display_reader, Answers.AT_ONCE, lambda of: of.displays.rows, large=True
    ),
    "hulak.key.whoami": ControlService(WhoamiArguments, needs.any_key, Answers.AT_ONCE, lambda of: of.keys.whoami),
    "hulak.key.reload": ControlService(NoArguments, needs.controller, Answers.AT_ONCE, lambda of: of.keys.reload),
    "hulak.display.day": ControlService(DisplayDayArguments, needs.display_worker, Answers.STORED, lambda of: of.displays.day),
}


def find(service: str) -> ControlService:
    """Return the service of this name.

    Raises:
        ProtocolError: `UNKNOWN_SERVICE`.
    """
    found_service = SERVICES.get(service)
    if found_service is None:
        known = ", ".join(SERVICES)
        raise ProtocolError("UNKNOWN_SERVICE", f"service {service[:100]!r} is unknown; control services are {known}")
    return found_service
