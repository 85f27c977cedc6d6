"""Sleeping on a word of shared memory, also where it is mapped read-only; real futexes, threads of this process."""

import mmap
import os
import platform
import struct
import threading
import time

import pytest
from waiting import eventually

from hulak.bus.process import futex
from hulak.bus.process.futex import ANY, Futex

pytestmark = pytest.mark.skipif(futex.missing() is not None, reason=str(futex.missing()))
AT, LONG_S = 144, 30.0


@pytest.fixture
def shared(tmp_path):
    """Map one file twice: to write, and read-only."""
    fd = os.open(tmp_path / "shared", os.O_RDWR | os.O_CREAT, 0o600)
    os.ftruncate(fd, mmap.PAGESIZE)
    yield mmap.mmap(fd, mmap.PAGESIZE), mmap.mmap(fd, mmap.PAGESIZE, prot=mmap.PROT_READ)
    os.close(fd)


def sleeper(memory, value, bits, woken):
    """Start a thread that sleeps, and then notes whether it was woken."""
    thread = threading.Thread(target=lambda: woken.append(Futex(memory, AT).wait(value, bits, LONG_S)), daemon=True)
    thread.start()
    return thread


def test_sleepers_on_memory_that_is_read_only_are_woken_through_either_mapping_and_no_more_than_asked_for(shared):
    writable, read_only = shared
    woken = []
    threads = [sleeper(read_only, 0, ANY, woken) for _ in range(4)]
    count = eventually(lambda: Futex(read_only, AT).wake(1), within_s=10)
    for waker in (writable, read_only):
        count += eventually(lambda waker=waker: Futex(waker, AT).wake(1), within_s=10)
    eventually(lambda: len(woken) == 3, within_s=10)
    count += eventually(lambda: Futex(writable, AT).wake(100), within_s=10)
    for thread in threads:
        thread.join(10)
    assert (count, woken) == (4, [True] * 4)


def test_only_sleepers_that_named_one_of_the_bits_are_woken(shared):
    writable, read_only = shared
    stale, fresh = [], []
    threads = [sleeper(read_only, 0, 1 << 3, stale), sleeper(read_only, 0, 1 << 31, fresh)]
    eventually(lambda: Futex(writable, AT).wake(9, 1 << 3), within_s=10)
    threads[0].join(10)
    assert (stale, fresh, Futex(writable, AT).wake(9, ANY ^ 1 << 31)) == ([True], [], 0)
    eventually(lambda: Futex(writable, AT).wake(9, 1 << 31), within_s=10)
    threads[1].join(10)
    assert fresh == [True]


def test_there_is_no_sleep_on_a_word_that_has_changed_already(shared):
    writable, read_only = shared
    struct.pack_into("<I", writable, AT, 8)
    begun = time.monotonic()
    assert Futex(read_only, AT).wait(7, ANY, LONG_S) is False
    assert time.monotonic() - begun < LONG_S


def test_a_sleep_ends_with_its_time(shared):
    assert Futex(shared[1], AT).wait(0, ANY, 0.01) is False
    assert Futex(shared[1], AT).wait(0, ANY, 0.0) is False


def test_another_machine_is_named(monkeypatch):
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    assert futex.missing() == "it needs Linux on x86-64, this is linux on aarch64"
