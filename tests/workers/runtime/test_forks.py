"""Processes that a task forks end with the thread that forked them, if that thread lives as long as the worker."""

import subprocess
import sys

import pytest

PROGRAM = """
import ctypes, os, threading
from hulak.workers.runtime.forks import Forks

forks = Forks(frozenset())
forks.guard()

def signal_of(child):
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

def work():
    if LASTS:
        forks.mark_lasting()
    child = os.fork()
    if not child:
        signal = ctypes.c_int(-1)
        ctypes.CDLL(None).prctl(2, ctypes.byref(signal), 0, 0, 0)  # PR_GET_PDEATHSIG
        os._exit(signal.value)
    print(signal_of(child))

thread = threading.Thread(target=work)
thread.start()
thread.join()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="prctl(2) is Linux's")
@pytest.mark.parametrize(("lasts", "signal"), [(True, "15"), (False, "0")])
def test_what_a_lasting_thread_forks_is_asked_to_end_when_that_thread_ends(lasts, signal):
    done = subprocess.run(
        [sys.executable, "-c", f"LASTS = {lasts}\n{PROGRAM}"], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.split() == [signal]
