"""The context that all subscribers of a process share."""

import os
import signal
import threading

import zmq

from hulak.bus.process import sockets


def test_all_threads_of_a_process_get_the_same_context_and_it_takes_many_sockets():
    contexts = []
    threads = [threading.Thread(target=lambda: contexts.append(sockets.process_context())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {id(context) for context in contexts} == {id(sockets.process_context())}
    assert contexts[0].get(zmq.MAX_SOCKETS) == sockets.MOST_SOCKETS


def test_a_forked_process_gets_a_new_context_and_can_use_it():
    ours = sockets.process_context()
    ours.socket(zmq.PAIR).close()  # its threads run in this process only
    child = os.fork()
    if child == 0:
        context = sockets.process_context()
        near, far = context.socket(zmq.PAIR), context.socket(zmq.PAIR)
        near.bind("inproc://near")
        far.connect("inproc://near")
        far.send(b"a")
        os._exit(0 if context is not ours and near.poll(5000) and near.recv() == b"a" else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_child_forked_while_another_thread_makes_the_context_gets_one(monkeypatch):
    monkeypatch.setattr(sockets, "_contexts", {})
    with sockets._making:
        child = os.fork()
        if child == 0:
            signal.alarm(5)
            sockets.process_context()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0, "the child waits for a lock of its parent"
