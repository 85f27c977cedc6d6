"""Events as fields of systemd's journal, received by a socket in its place."""

import os
import socket
import struct

import pytest

from hulak.bus.process import log, systemd_journal
from hulak.bus.process.settings import LogSettings
from hulak.bus.process.systemd_journal import Sender, datagram, fields_of


@pytest.fixture
def journal(tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(tmp_path / "journal"))
        receiver.settimeout(5)
        yield tmp_path / "journal", receiver


def read(data):
    """Decode a datagram as the protocol's document says."""
    fields = {}
    while data:
        line, _, data = data.partition(b"\n")
        name, is_plain, value = line.partition(b"=")
        if not is_plain:
            (size,) = struct.unpack("<Q", data[:8])
            value, data = data[8 : 8 + size], data[9 + size :]
        fields[name.decode()] = value.decode("utf-8", errors="surrogateescape")
    return fields


def test_an_event_has_a_message_for_people_and_a_field_for_each_value():
    event = {"event": "task retried", "process": "broker", "task": "9f", "attempt": 2, "level": "warning", "timestamp": "x"}
    assert fields_of(event, 30) == {
        "MESSAGE": "task retried  task=9f attempt=2",
        "PRIORITY": "4",
        "SYSLOG_IDENTIFIER": "hulak-broker",
        "HULAK_EVENT": "task retried",
        "HULAK_PROCESS": "broker",
        "HULAK_TASK": "9f",
        "HULAK_ATTEMPT": "2",
    }


@pytest.mark.parametrize(("level", "priority"), [(10, "7"), (20, "6"), (30, "4"), (40, "3"), (50, "2")])
def test_levels_are_priorities_of_syslog(level, priority):
    assert fields_of({"event": "x"}, level)["PRIORITY"] == priority


def test_names_are_those_that_the_journal_takes_and_replace_no_other_field():
    fields = fields_of({"event": "x", "a.b c": 1, "n" * 100: 2, "event ": 3, "exception": "Traceback\n  one"}, 40)
    assert fields["HULAK_A_B_C"] == "1"
    assert max(map(len, fields)) == 64
    assert fields["MESSAGE"].endswith("\nTraceback\n  one")
    assert all(name.replace("_", "A").isalnum() and name.isupper() and name[0] != "_" for name in fields)


def test_values_with_newlines_and_any_bytes_survive():
    fields = {"MESSAGE": "one\ntwo\n", "A": "x=y", "B": "", "C": os.fsdecode(b"\xff"), "D": "नेपाल"}
    assert read(datagram(fields)) == fields


def test_a_message_too_large_for_a_datagram_is_sent_as_a_sealed_file(journal):
    path, receiver = journal
    fields = {"MESSAGE": "x" * 2_000_000}
    sender = Sender(str(path))
    assert sender.send({"MESSAGE": "before"})
    assert sender.send(fields)
    assert sender.send({"MESSAGE": "after"})
    assert read(receiver.recv(1000)) == {"MESSAGE": "before"}
    data, descriptors, _, _ = socket.recv_fds(receiver, 1000, 1)
    assert data == b""
    with os.fdopen(descriptors[0], "rb") as file:
        file.seek(0)
        assert read(file.read()) == fields
    assert read(receiver.recv(1000)) == {"MESSAGE": "after"}


def test_a_journal_that_is_gone_or_full_takes_nothing_and_blocks_no_process(journal, tmp_path):
    path, _ = journal
    assert not Sender(str(tmp_path / "none")).send({"MESSAGE": "x"})
    sender = Sender(str(path))
    sent = 0
    while sender.send({"MESSAGE": "x"}):  # the queue of a socket is short
        sent += 1
        assert sent < 100_000
    assert sent > 0


def test_a_process_logs_to_the_journal_and_to_standard_error_if_there_is_none(journal, monkeypatch, capsys):
    path, receiver = journal
    monkeypatch.setattr(systemd_journal, "SOCKET", str(path))
    monkeypatch.setattr(systemd_journal.Sender.__init__, "__defaults__", (str(path),))
    logger = log.set_up(LogSettings(format="journal"), process="broker")
    logger.debug("hidden")
    logger.warning("seen", count=1)
    assert read(receiver.recv(1000))["MESSAGE"] == "seen  count=1"
    assert capsys.readouterr().err == ""
    path.unlink()
    logger.error("on standard error", count=2)
    assert '"event": "on standard error"' in capsys.readouterr().err
