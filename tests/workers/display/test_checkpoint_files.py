"""Where checkpoints lie: whole or not at all, for this user's eyes, and nobody waits for the disk."""

import os
import stat
import time

import pytest
from waiting import eventually

from workers.display.checkpoint_files import FORGOTTEN_S, Shelf

WITHIN_S = 10


@pytest.fixture
def shelf(tmp_path):
    made = Shelf(tmp_path / "displays")
    yield made
    made.end(WITHIN_S)


def saved(shelf, display, data):
    eventually(lambda: shelf.save(display, data), within_s=WITHIN_S)
    assert shelf.flush(time.monotonic() + WITHIN_S)


def names(shelf):
    return sorted(path.name for path in shelf.folder.iterdir())


def test_what_was_saved_is_loaded_and_the_newest_counts(shelf):
    assert shelf.load("gold") is None
    saved(shelf, "gold", b"one")
    saved(shelf, "gold", b"another")
    assert (shelf.load("gold"), names(shelf), shelf.failed) == (b"another", ["gold.ckpt"], 0)
    assert stat.S_IMODE((shelf.folder / "gold.ckpt").stat().st_mode) == 0o600
    assert stat.S_IMODE(shelf.folder.stat().st_mode) == 0o700


def test_one_at_a_time_waits_to_be_written(shelf):
    os.mkfifo(shelf.folder.with_name("slow"))
    shelf.folder.mkdir()
    (shelf.folder / f"d.ckpt.{os.getpid()}.tmp").symlink_to(shelf.folder.with_name("slow"))  # a disk that takes its time
    assert shelf.save("d", b"data")
    assert not shelf.save("d", b"more")
    assert not shelf.flush(time.monotonic() + 0.05)
    assert shelf.folder.with_name("slow").read_bytes() == b"data"
    assert shelf.flush(time.monotonic() + WITHIN_S)
    assert shelf.save("d", b"more")


def test_what_cannot_be_written_is_counted_and_leaves_nothing_behind(shelf):
    (shelf.folder / "d.ckpt").mkdir(parents=True)  # a folder in its place
    saved(shelf, "d", b"data")
    saved(shelf, "e", b"data")
    assert (shelf.failed, names(shelf), shelf.load("d"), shelf.load("e")) == (1, ["d.ckpt", "e.ckpt"], None, b"data")
    assert "d.ckpt" in shelf.why


def test_only_what_is_ours_and_of_no_display_is_removed(shelf):
    for display in ("kept", "gone", "a.b-c_D"):
        saved(shelf, display, b"data")
    others = ["README", "kept.ckpt.1.tmp", "gone.ckpt.2.tmp"]
    for name in others:
        (shelf.folder / name).write_bytes(b"")
    os.utime(shelf.folder / "gone.ckpt.2.tmp", (0, time.time() - FORGOTTEN_S - 5))
    shelf.sweep({"kept", "a.b-c_D", "new"})
    eventually(lambda: names(shelf) == ["README", "a.b-c_D.ckpt", "kept.ckpt", "kept.ckpt.1.tmp"], within_s=WITHIN_S)
    shelf.drop(["kept", "never"])
    eventually(lambda: "kept.ckpt" not in names(shelf), within_s=WITHIN_S)
    assert shelf.failed == 0


def test_what_waits_is_written_before_the_end(shelf):
    assert shelf.save("d", b"data")
    shelf.end(WITHIN_S)
    assert shelf.load("d") == b"data"
