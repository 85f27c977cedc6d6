"""The note beside the segments, and the flag outside their disk."""

import os

import pytest

from hulak.bus.broker.storage.journal_note import CLOSED, DEGRADED, LIVE, NOTE_BYTES, DegradedFlag, JournalNotes, Noted, NoteFile

NOTED = Noted("a1b2", 1_800_000_000_123, 44, 3600.5, "boot-1", 1000.25, 10**18)


@pytest.fixture
def note(tmp_path):
    return NoteFile(tmp_path)


def test_a_note_is_read_as_it_was_written_and_written_in_place(note):
    assert note.read() == ("", Noted())
    note.write(LIVE, NOTED, sync=True)
    assert note.read() == (LIVE, NOTED)
    inode = note.path.stat().st_ino
    later = Noted(**{**vars_of(NOTED), "ticks": 50})
    note.refresh(later)
    assert note.read() == (LIVE, later)
    note.write(DEGRADED, NOTED)
    assert note.read() == (DEGRADED, NOTED)
    assert (note.path.stat().st_size, note.path.stat().st_ino) == (NOTE_BYTES, inode)
    assert note.path.stat().st_mode & 0o777 == 0o600


def vars_of(noted):
    return {name: getattr(noted, name) for name in noted.__slots__}


def test_a_note_of_the_former_version_has_a_word_alone(note):
    note.path.write_bytes(b"closed          \n")
    assert note.read() == (CLOSED, Noted())


@pytest.mark.parametrize("at", range(20, 200, 7))
def test_a_damaged_position_after_the_word_is_ignored(note, at):
    note.write(LIVE, NOTED)
    data = bytearray(note.path.read_bytes())
    data[at] ^= 4
    note.path.write_bytes(data)
    assert note.read() == (LIVE, Noted())


@pytest.mark.parametrize("data", [b"", b"\0" * 600, b"\xff" * 30, b"live\n{}\n", b"live\n00000000 []\n", os.urandom(500)])
def test_noise_is_no_note(note, data):
    note.path.write_bytes(data)
    word, noted = note.read()
    assert word != CLOSED
    assert noted == Noted()


def test_a_flag_is_set_in_the_first_writable_place(tmp_path):
    flag = DegradedFlag(tmp_path / "journal", [tmp_path / "gone", tmp_path])
    assert not flag.is_set()
    assert flag.set()
    assert flag.is_set()
    assert DegradedFlag(tmp_path / "journal", [tmp_path]).is_set()
    assert not DegradedFlag(tmp_path / "another", [tmp_path]).is_set()
    flag.clear()
    assert not flag.is_set()
    flag.clear()


def test_a_flag_without_a_writable_place_returns_false(tmp_path):
    assert not DegradedFlag(tmp_path / "journal", [tmp_path / "gone"]).set()


def test_a_file_of_another_user_in_a_flags_place_is_neither_believed_nor_followed(tmp_path, monkeypatch):
    flag = DegradedFlag(tmp_path / "journal", [tmp_path])
    [path] = flag.paths
    target = tmp_path / "target"
    path.symlink_to(target)
    assert not flag.set()
    assert not target.exists()
    assert not flag.is_set()
    path.unlink()
    assert flag.set()
    monkeypatch.setattr(os, "getuid", lambda: 12_345)
    assert not flag.is_set()
    flag.clear()
    assert path.exists()


def test_a_degraded_journal_is_recorded_in_both_places_and_a_live_one_in_none(tmp_path):
    notes = JournalNotes(tmp_path, [tmp_path])
    assert notes.degraded(NOTED)
    assert notes.flag.is_set()
    assert notes.note.read()[0] == DEGRADED
    assert notes.live(NOTED) == ""
    assert not notes.flag.is_set()
    assert notes.note.read()[0] == LIVE
