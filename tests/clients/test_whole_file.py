"""Files that are written as a whole or not at all."""

import errno
import os
from contextlib import suppress
from pathlib import Path

import pytest

from hulak.clients.whole_file import whole_file


def test_a_file_is_there_when_it_is_whole_and_readable_as_any_other(tmp_path):
    target, plain = tmp_path / "a.csv", tmp_path / "plain"
    plain.touch()
    with whole_file(target) as part:
        part.write_text("1")
        assert not target.exists()
        assert part.parent == tmp_path
    assert target.read_text() == "1"
    assert target.stat().st_mode == plain.stat().st_mode
    assert sorted(tmp_path.iterdir()) == [target, plain]


def test_a_failure_keeps_the_former_file_and_leaves_nothing(tmp_path):
    target = tmp_path / "a.csv"
    target.write_text("before")
    with suppress(KeyError), whole_file(target) as part:
        part.write_text("half")
        raise KeyError
    with whole_file(target) as part:
        part.unlink()
    assert target.read_text() == "before"
    assert list(tmp_path.iterdir()) == [target]


def test_a_full_disk_is_reported_with_the_name_of_the_file(tmp_path):
    with pytest.raises(OSError, match="No space left on device") as caught, whole_file(tmp_path / "a.csv"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(tmp_path / "a.csv"))
    assert list(tmp_path.iterdir()) == []


def test_a_link_stays_a_link_and_a_device_stays_a_device(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with whole_file(tmp_path / "link") as part:
        part.write_text("1")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "1"
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, Path("/dev/null")):
        with pytest.raises(OSError, match="not a regular file"), whole_file(path):
            pytest.fail("the block was entered")
