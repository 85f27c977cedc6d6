"""The files of checkpoints: complete or missing, readable by this user only, and the caller never waits for the disk."""

import os
import stat
import time

import pytest
from waiting import eventually

from hulak.workers.display.checkpoint_files import FORGOTTEN_S, CheckpointFiles

WITHIN_S = 10


@pytest.fixture
def files(tmp_path):
    made = CheckpointFiles(tmp_path / "displays")
    yield made
    made.end(WITHIN_S)


def saved(files, display, data):
    eventually(lambda: files.save(display, data), within_s=WITHIN_S)
    assert files.flush(time.monotonic() + WITHIN_S)


def names(files):
    return sorted(path.name for path in files.folder.iterdir())


def test_what_was_saved_is_loaded_and_the_newest_counts(files):
    assert files.load("gold") is None
    saved(files, "gold", b"one")
    saved(files, "gold", b"another")
    assert (files.load("gold"), names(files), files.failed) == (b"another", ["gold.ckpt"], 0)
    assert stat.S_IMODE((files.folder / "gold.ckpt").stat().st_mode) == 0o600
    assert stat.S_IMODE(files.folder.stat().st_mode) == 0o700


def test_one_at_a_time_waits_to_be_written(files):
    os.mkfifo(files.folder.with_name("slow"))
    files.folder.mkdir()
    (files.folder / f"d.ckpt.{os.getpid()}.tmp").symlink_to(files.folder.with_name("slow"))  # a disk that takes its time
    assert files.save("d", b"data")
    assert not files.save("d", b"more")
    assert not files.flush(time.monotonic() + 0.05)
    assert files.folder.with_name("slow").read_bytes() == b"data"
    assert files.flush(time.monotonic() + WITHIN_S)
    assert files.save("d", b"more")


def test_what_cannot_be_written_is_counted_and_leaves_nothing_behind(files):
    (files.folder / "d.ckpt").mkdir(parents=True)  # a folder in its place
    saved(files, "d", b"data")
    saved(files, "e", b"data")
    assert (files.failed, names(files), files.load("d"), files.load("e")) == (1, ["d.ckpt", "e.ckpt"], None, b"data")
    assert "d.ckpt" in files.why


def test_only_checkpoint_files_without_a_display_are_removed(files):
    for display in ("kept", "gone", "a.b-c_D"):
        saved(files, display, b"data")
    others = ["README", "kept.ckpt.1.tmp", "gone.ckpt.2.tmp"]
    for name in others:
        (files.folder / name).write_bytes(b"")
    os.utime(files.folder / "gone.ckpt.2.tmp", (0, time.time() - FORGOTTEN_S - 5))
    files.sweep({"kept", "a.b-c_D", "new"})
    eventually(lambda: names(files) == ["README", "a.b-c_D.ckpt", "kept.ckpt", "kept.ckpt.1.tmp"], within_s=WITHIN_S)
    files.drop(["kept", "never"])
    eventually(lambda: "kept.ckpt" not in names(files), within_s=WITHIN_S)
    assert files.failed == 0


def test_what_waits_is_written_before_the_end(files):
    assert files.save("d", b"data")
    files.end(WITHIN_S)
    assert files.load("d") == b"data"
