"""Tasks as no good engineer writes them, but as libraries do: the module of `hulak worker poison --module poisons`.

POISON_LOG: file to which each good task writes its number when it begins, and each fork the process's id.
"""

import asyncio
import atexit
import ctypes
import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import time
from concurrent import futures
from decimal import Decimal
from pathlib import Path

from hulak.bus.errors import TaskFailed
from hulak.workers.tasks import task

SERVICE = "poison"
KILLERS = ("dies", "faults", "hangs_on", "holds_on")
LOST = "WORKER_LOST"
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
log = os.open(os.environ.get("POISON_LOG", os.devnull), os.O_WRONLY | os.O_APPEND | os.O_CREAT)


def note(word, number):
    os.write(log, f"{word} {number}\n".encode())


@task(SERVICE, "good")
def good(n):
    note("begun", n)
    return n


# Tasks that kill the worker


@task(SERVICE, "dies")
def dies():
    os._exit(3)


@task(SERVICE, "faults")
def faults():
    child = multiprocessing.get_context("fork").Process(target=time.sleep, args=(600,))
    child.start()
    note("forked", child.pid)
    ctypes.string_at(0)


@task(SERVICE, "hangs_on")
def hangs_on():
    child = subprocess.Popen(["sleep", "600"])
    note("forked", child.pid)
    time.sleep(600)  # which no soft limit interrupts


@task(SERVICE, "holds_on")
def holds_on():
    ctypes.PyDLL(None).sleep(600)  # with the interpreter's lock: no other thread can run


# Tasks that fail: action -> code, start of the text


class Mute(Exception):
    def __str__(self):
        raise ZeroDivisionError


def cancelled():
    async def main():
        inner = asyncio.ensure_future(asyncio.sleep(9))
        await asyncio.sleep(0)
        inner.cancel()
        await inner

    asyncio.run(main())


def printed():
    sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115
    sys.stdout.close()
    print("x")  # noqa: T201


def endless(n=0):
    return endless(n + 1)


def raises(error):
    def action():
        raise error

    return action


FAILS = {
    "exits": (lambda: sys.exit(1), "CRASHED", "SystemExit: 1"),
    "cancelled": (cancelled, "CRASHED", "CancelledError"),
    "interrupted": (raises(KeyboardInterrupt()), "CRASHED", "KeyboardInterrupt"),
    "closed": (raises(GeneratorExit()), "CRASHED", "GeneratorExit"),
    "based": (raises(BaseException("base")), "CRASHED", "BaseException: base"),
    "surrogate": (raises(ValueError("caf\udce9")), "CRASHED", "ValueError: caf\\udce9"),
    "mute": (raises(Mute()), "CRASHED", "Mute: (no text: str() failed)"),
    "wordy": (raises(RuntimeError("x" * (9 << 20))), "CRASHED", "RuntimeError: xxx"),
    "refused": (raises(TaskFailed("REFUSED", "too late", details={"price": Decimal("1.5")})), "REFUSED", "too late"),
    "unpackable": (lambda: Decimal(1), "CRASHED", "TypeError: "),
    "large": (lambda: bytes(9 << 20), "TOO_LARGE", "the result is"),
    "greedy": (lambda: bytearray(1 << 50), "CRASHED", "MemoryError"),
    "endless": (endless, "CRASHED", "RecursionError"),
    "printed": (printed, "CRASHED", "ValueError: I/O operation on closed file"),
    "handles": (lambda: signal.signal(signal.SIGTERM, signal.SIG_IGN), "CRASHED", "ValueError: signal only works in main thread"),
}


# Odd tasks that succeed: action -> value


def busy_pool():
    with multiprocessing.get_context("fork").Pool(1) as pool:
        try:
            return pool.apply_async(time.sleep, (600,)).get(timeout=0.1)
        except multiprocessing.TimeoutError:
            return "gave up in time"


def pool():
    with multiprocessing.get_context("fork").Pool(2) as some:
        return some.map(abs, [-1, -2])


def leaves_threads():
    futures.ThreadPoolExecutor(1).submit(time.sleep, 600)
    atexit.register(time.sleep, 600)


def forks(how):
    """Fork a child that goes on as if it were the worker; gives its exit code."""
    child = os.fork()
    if not child:
        return how()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


WORKS = {
    "busy_pool": (busy_pool, "gave up in time"),
    "pool": (pool, [1, 2]),
    "forks": (lambda: forks(lambda: "I am the worker"), 0),
    "forks_exits": (lambda: forks(lambda: sys.exit(7)), 7),
    "forks_raises": (lambda: forks(lambda: 1 // 0), 1),
    "runs": (lambda: subprocess.run(["true"], check=True).returncode, 0),
    "leaves_threads": (leaves_threads, None),
    "moves": (lambda: os.chdir("/"), None),
    "infinite": (lambda: float("inf"), float("inf")),
}
for name, (function, *_) in (*FAILS.items(), *WORKS.items()):
    task(SERVICE, name)(function)
