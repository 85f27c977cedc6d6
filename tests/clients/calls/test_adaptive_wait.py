"""When a client busy-polls."""

from hulak.clients.calls.adaptive_wait import SPIN_S, AdaptiveWait


def after(*waits):
    wait = AdaptiveWait()
    for lasted_s in waits:
        wait.waited(lasted_s)
    return wait.spin_s()


def test_a_client_blocks_until_its_replies_have_been_fast_for_a_while():
    assert AdaptiveWait().spin_s() == 0.0
    assert after(*[0.0002] * 3) == 0.0
    assert after(*[0.0002] * 40) == SPIN_S


def test_one_long_wait_and_it_sleeps_again_until_some_more_were_short():
    assert after(*[0.0002] * 40, 5.0) == 0.0
    assert after(*[0.0002] * 40, 5.0, 0.0002) == 0.0
    assert after(*[0.0002] * 40, 5.0, *[0.0002] * 20) == SPIN_S


def test_a_client_whose_answers_take_a_millisecond_sleeps():
    assert after(*[0.001] * 100) == 0.0
