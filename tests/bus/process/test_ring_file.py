"""The file of a ring: made in the first folder that allows it, locked, opened by its id only, and never left for long."""

import mmap
import os
import stat

import pytest

from hulak.bus.errors import ConfigError
from hulak.bus.process import ring_file
from hulak.bus.process.lifecycle import open_files
from hulak.bus.wire.ring_format import HEADER_BYTES, RingTerms

TERMS = RingTerms(1 << 16, 0xABCDEF, 7)


@pytest.fixture
def own(tmp_path):
    own = ring_file.make([tmp_path], TERMS)
    yield own
    if own.path.exists():
        own.remove()


def test_a_ring_is_made_whole_and_for_its_owner_only(own, tmp_path):
    assert own.path == tmp_path / "hulak-0000000000abcdef.ring"
    status = own.path.stat()
    assert (status.st_size, stat.S_IMODE(status.st_mode)) == (HEADER_BYTES + (1 << 16), 0o600)
    assert status.st_blocks * 512 >= status.st_size, "its memory is reserved"


def test_what_the_writer_writes_is_seen_by_a_reader_which_cannot_write(own):
    memory, terms = ring_file.open_ring(str(own.path), TERMS.id)
    own.memory[HEADER_BYTES : HEADER_BYTES + 4] = b"tick"
    assert (memory[HEADER_BYTES : HEADER_BYTES + 4], terms) == (b"tick", TERMS)
    with pytest.raises(TypeError):
        memory[HEADER_BYTES] = 0


def test_the_next_folder_is_taken_where_the_first_does_not_allow_it(tmp_path):
    own = ring_file.make([tmp_path / "missing", tmp_path], TERMS)
    assert own.path.parent == tmp_path
    own.remove()
    assert list(tmp_path.iterdir()) == []


def test_each_folders_reason_is_named_where_none_allows_it(tmp_path):
    with pytest.raises(ConfigError, match=r"a ring of 65536 bytes cannot be made: .*/a: No such file.*; .*/b: No such file"):
        ring_file.make([tmp_path / "a", tmp_path / "b"], TERMS)


def test_a_ring_for_which_the_folder_has_no_room_is_not_made(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    files = len(open_files())
    with pytest.raises(ConfigError, match="No space left on device"):
        ring_file.make([tmp_path], TERMS)
    assert (list(tmp_path.iterdir()), len(open_files())) == ([], files)


@pytest.mark.parametrize(("wanted", "capacity"), [(1, 1 << 16), (1 << 16, 1 << 16), ((1 << 16) + 1, (1 << 16) + mmap.PAGESIZE)])
def test_the_capacity_is_whole_pages(wanted, capacity):
    assert ring_file.capacity_of(wanted) == capacity


def test_only_rings_without_a_lock_are_left_over(own, tmp_path):
    """One of a killed broker, beside that of a running one and files of other names and kinds."""
    stale = tmp_path / "hulak-00000000deadbeef.ring"
    stale.write_bytes(own.path.read_bytes())
    others = [tmp_path / "hulak-1.ring", tmp_path / "hulak-00000000deadbee0.ring.txt"]
    for path in others:
        path.write_bytes(b"")
    link = tmp_path / "hulak-00000000deadbee1.ring"
    link.symlink_to(others[0])
    folder = tmp_path / "hulak-00000000deadbee2.ring"
    folder.mkdir()
    assert ring_file.remove_leftovers([tmp_path, tmp_path / "missing"]) == [stale]
    assert sorted(tmp_path.iterdir()) == sorted([own.path, *others, link, folder])


def changed(own, tmp_path, change):
    path = tmp_path / "changed.ring"
    change(path, own.path.read_bytes())
    return path


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda path, content: None, "No such file.*another machine"),
        (lambda path, content: path.write_bytes(b"\x7fELF" + content[4:]), r"is none: the file begins with b'\\x7fELF"),
        (lambda path, content: path.write_bytes(b""), "is none"),
        (lambda path, content: path.write_bytes(content[:-1]), "has 69631 bytes, must have 69632"),
        (lambda path, content: path.mkdir(), "no regular file"),
        (lambda path, content: path.symlink_to("/dev/zero"), "cannot be opened"),
        (lambda path, content: os.mkfifo(path), "no regular file"),
    ],
)
def test_another_file_is_refused_with_the_reason(own, tmp_path, change, why):
    with pytest.raises(ConfigError, match=why):
        ring_file.open_ring(str(changed(own, tmp_path, change)), TERMS.id)


def test_the_ring_of_another_broker_is_refused(own):
    with pytest.raises(ConfigError, match="has the id 0000000000abcdef, and the broker's has 0000000000abcdee"):
        ring_file.open_ring(str(own.path), TERMS.id - 1)
