"""The messages to systemd, received by a socket in its place; plain numbers for time."""

import os
import socket

import pytest
from up_snapshots import STATS, snapshot

from hulak.clients.cli.service_manager import ServiceManager


@pytest.fixture
def systemd(tmp_path):
    """A socket as that of a service manager; `messages()` returns what has come."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(tmp_path / "notify"))
        receiver.setblocking(False)

        def messages():
            received = []
            while True:
                try:
                    received.append(receiver.recv(4096).decode())
                except BlockingIOError:
                    return received

        yield tmp_path / "notify", messages


def test_its_variables_are_taken_and_children_do_not_inherit_them(monkeypatch):
    variables = {"NOTIFY_SOCKET": "/run/n", "WATCHDOG_USEC": "60000000", "WATCHDOG_PID": str(os.getpid()), "HOME": "/"}
    manager = ServiceManager.of(variables)
    assert (manager.address, manager.watchdog_s, variables) == ("/run/n", 60.0, {"HOME": "/"})
    assert ServiceManager.of({"NOTIFY_SOCKET": "/run/n", "WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "1"}).watchdog_s == 0
    assert ServiceManager.of({}).update(snapshot(1.0), 1.0, complete=True) == ""


def test_ready_is_sent_once_when_the_start_is_complete(systemd):
    path, messages = systemd
    manager = ServiceManager(str(path))
    manager.update(snapshot(1.0, None), 1.0, complete=False)
    assert messages() == ["STATUS=waiting for the broker\nEXTEND_TIMEOUT_USEC=30000000"]
    manager.update(snapshot(2.0), 2.0, complete=True)
    manager.update(snapshot(3.0), 3.0, complete=True)
    (ready,) = messages()
    assert ready.startswith("READY=1\nSTATUS=1 worker, 1 symbols ticking; ")


def test_ready_is_sent_some_time_after_the_broker_answers_whatever_is_missing(systemd):
    path, messages = systemd
    manager, without_worker = ServiceManager(str(path)), {**STATS, "workers": []}
    for now in (1.0, 20.9):
        manager.update(snapshot(now, without_worker), now, complete=False)
    assert not any("READY" in text for text in messages())
    manager.update(snapshot(21.0, without_worker), 21.0, complete=False)
    assert "READY=1\nSTATUS=waiting for a worker" in messages()


def test_a_start_is_not_extended_for_a_broker_that_supervisord_gave_up(systemd):
    path, messages = systemd
    ServiceManager(str(path)).update(snapshot(1.0, None, broker=("fatal", 0)), 1.0, complete=False)
    assert messages() == ["STATUS=waiting for the broker"]


def test_the_watchdog_gets_its_message_four_times_in_its_time_and_none_while_the_broker_hangs(systemd):
    path, messages = systemd
    manager = ServiceManager(str(path), watchdog_s=60.0, ready=True)
    sent = []
    for now in range(100, 160):
        assert manager.update(snapshot(now), now, complete=True) == ""
        sent += messages()
    assert sent.count("WATCHDOG=1") == 4
    hanging = snapshot(100.0)
    for now in range(160, 240):
        frozen = {"stats": hanging.stats, "silent_s": 31.0, "processes": hanging.processes, "supervisor_silent_s": 0.0}
        why = manager.update(type(hanging)(**{**fields(hanging), **frozen}), now, complete=True)
        assert why == "the broker, process 7, has published no statistics for 31 s"
        assert "WATCHDOG=1" not in messages()


def fields(value):
    return {name: getattr(value, name) for name in value.__slots__}


def test_a_stop_is_sent_with_its_longest_time_and_a_service_manager_that_is_gone_is_no_error(systemd):
    path, messages = systemd
    manager = ServiceManager(str(path))
    manager.stopping(140.0)
    assert messages() == ["STOPPING=1\nSTATUS=stopping\nEXTEND_TIMEOUT_USEC=140000000"]
    path.unlink()
    manager.stopping(140.0)


def test_an_abstract_socket_is_reached():
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(f"\0hulak-test-{os.getpid()}")
        receiver.settimeout(5)
        ServiceManager(f"@hulak-test-{os.getpid()}").send("READY=1")
        assert receiver.recv(100) == b"READY=1"
