"""A thread that ends by an error is recorded, for every kind of error."""

import threading

import pytest

from hulak.bus.process.dead_threads import MOST, DeadThreads


def end_by(error, name="tasks"):
    def work():
        raise error

    thread = threading.Thread(target=work, name=name)
    thread.start()
    thread.join(10)


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(1), KeyboardInterrupt()])
def test_a_thread_that_ends_by_an_error_is_recorded_with_its_name(error, monkeypatch):
    seen = []
    monkeypatch.setattr(threading, "excepthook", seen.append)
    with DeadThreads() as dead:
        end_by(error)
        thread = threading.Thread(target=int)
        thread.start()
        thread.join(10)
    end_by(error)
    assert dead.errors == [f"tasks: {type(error).__name__}: {error}"]
    assert len(seen) == 2, "the former hook is still called"


def test_memory_is_bounded(monkeypatch):
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    with DeadThreads() as dead:
        for number in range(MOST + 5):
            end_by(ValueError("x" * 1000), name=f"t{number}")
    assert len(dead.errors) == MOST
    assert max(map(len, dead.errors)) <= 200
