"""The bridge process: one connection to NATS, a sender, a receiver for each other site, tasks and configuration. On asyncio."""

import asyncio
import contextlib
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from hulak.bus.errors import ConfigError
from hulak.bus.process import lifecycle, log
from hulak.bus.process.log_type import Log
from hulak.bus.process.member import Member
from hulak.bus.process.settings import Settings
from hulak.clients.bridge.config_follower import ConfigFollower
from hulak.clients.bridge.config_owner import ConfigOwner
from hulak.clients.bridge.journal_source import JournalSource
from hulak.clients.bridge.receiver import Receiver
from hulak.clients.bridge.sender import Sender
from hulak.clients.bridge.state import State
from hulak.clients.bridge.stream import Stream, connect
from hulak.clients.bridge.task_results import TaskResults
from hulak.clients.bridge.task_sender import TaskSender
from hulak.clients.bridge.task_server import TaskServer
from hulak.clients.calls.async_client import AsyncBusClient

BEAT_S = 0.25
CLOSE_S = 2.0  # for the connection to NATS to close


class Bridge:
    """The ways of the bridge, and their states.

    Args:
        settings: checked.
        home: the broker's folder.
        log: of this process.
    """

    def __init__(self, settings: Settings, home: Path, log: Log) -> None:
        self.settings = settings
        self.home = home
        self.log = log
        self.sender: Sender | None = None
        self.receivers: list[Receiver] = []
        self.task_senders: list[TaskSender] = []
        self.task_server: TaskServer | None = None
        self.config: ConfigOwner | ConfigFollower | None = None
        self.state = State()

    async def run(self, member: Member) -> None:
        """Serve until it is cancelled."""
        section = self.settings.bridge
        beat = asyncio.ensure_future(_beat(member))
        broker = AsyncBusClient(self.settings, self.home)
        client: Any = None
        try:
            client = await connect(section, self.log, self.state)
            work: list[Coroutine[Any, Any, None]] = []
            if section.send:
                self.sender = Sender(section, Stream(client, section.site), JournalSource(broker), self.log)
                work += [self.sender.run(), self.sender.measure()]
            for site in section.sites:
                self.receivers.append(Receiver(self.settings, self.home, Stream(client, site), broker, self.log))
                work.append(self.receivers[-1].run())
            work += self._tasks(client, broker)
            if section.config:
                way = ConfigOwner if section.config == section.site else ConfigFollower
                self.config = way(section, client, broker, self.log)
                work.append(self.config.run())
            await _until_one_ends(work)
        finally:
            beat.cancel()
            broker.close()
            if client is not None:
                with contextlib.suppress(Exception):  # nats-py raises what it likes while it closes
                    await asyncio.wait_for(client.close(), CLOSE_S)

    def _tasks(self, client: Any, broker: AsyncBusClient) -> list[Coroutine[Any, Any, None]]:
        """Return the work for tasks to and from other sites, if there is any."""
        section = self.settings.bridge
        work: list[Coroutine[Any, Any, None]] = []
        for service, site in section.sent_services.items():
            self.task_senders.append(TaskSender(self.settings, self.home, service, site, client, broker, self.log))
            work.append(self.task_senders[-1].run())
        if self.task_senders:
            work.append(TaskResults(section, client, self.task_senders, self.log).run())
        if section.served:
            self.task_server = TaskServer(section, client, broker, self.log)
            work.append(self.task_server.run())
        return work

    def values(self) -> dict[str, Any]:
        """Return the state, for the process's report; may be called from any thread."""
        receive = {row.site: row.values() for row in self.receivers}
        values: dict[str, Any] = {**self.state.values(), "site": self.settings.bridge.site, "receive": receive}
        if self.sender is not None:
            values["send"] = self.sender.values()
        if self.task_senders:
            values["tasks"] = {f"{row.service}@{row.site}": row.values() for row in self.task_senders}
        if self.task_server is not None:
            values["serves"] = self.task_server.values()
        if self.config is not None:
            values["config"] = self.config.values()
        return values


def run_bridge(settings: Settings, home: Path) -> None:
    """Run the bridge until a signal stops it.

    Raises:
        ConfigError: `[bridge]` names no site, or this one among those to receive from, or there is nothing to do.
    """
    check(settings)
    lifecycle.end_with_supervisor()
    logger = log.set_up(settings.log, process="bridge")
    bridge = Bridge(settings, home, logger)
    with Member(settings, home, logger, kind="bridge", name=settings.bridge.site, collect=bridge.values) as member:
        asyncio.run(_serve(bridge, member))
    logger.info("bridge stopped")


def check(settings: Settings) -> None:
    """Check the settings as a whole; raises as `run_bridge`."""
    section = settings.bridge
    if not section.site:
        raise ConfigError("setting bridge.site is '', must be the name of this site, such as ldn")
    if section.site in section.sites:
        raise ConfigError(f"setting bridge.receive names {section.site!r}, which is this site; name other sites only")
    if section.site in section.sent_services.values():
        raise ConfigError(f"setting bridge.tasks sends tasks to {section.site!r}, which is this site; name other sites only")
    if both := set(section.sent_services) & set(section.served):
        raise ConfigError(f"settings bridge.tasks and bridge.serves both have {min(both)!r}: its tasks would go in a circle")
    if not (section.send or section.sites or section.sent_services or section.served or section.config):
        raise ConfigError("settings bridge.send = false and bridge.receive = '': there is nothing to do; set one of them")


async def _serve(bridge: Bridge, member: Member) -> None:
    main = asyncio.ensure_future(bridge.run(member))
    loop = asyncio.get_running_loop()
    for number in lifecycle.stop_signals():
        loop.add_signal_handler(number, main.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await main


async def _until_one_ends(work: list[Coroutine[Any, Any, None]]) -> None:
    """Run all; if one ends by an error, end the others and raise it."""
    tasks = [asyncio.ensure_future(way) for way in work]
    try:
        ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in ended:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _beat(member: Member) -> None:
    while True:
        member.beat()
        await asyncio.sleep(BEAT_S)
