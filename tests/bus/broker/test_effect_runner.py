"""Effects are carried out in order, each independently; a job's callback runs when it has finished, and answers if it fails."""

import pytest
from effect_fixture import EffectFixture
from structlog.testing import capture_logs

from hulak.bus.broker.store_effects import Load, Store, check_stored
from hulak.bus.core.effects import Asker, LogLine, Publish
from hulak.bus.errors import ProtocolError
from hulak.bus.wire.messages import Error, Reply

AFTER = "a callback of the store"
ASKER = Asker(b"c", b"i" * 16)


@pytest.fixture
def fixture(tmp_path):
    made = EffectFixture(tmp_path)
    made.database.start()
    yield made
    made.database.close()


def test_messages_publications_and_log_lines_are_sent_to_their_targets(fixture):
    with capture_logs() as logged:
        fixture.carry_out([Publish(b"a"), ASKER.reply(5), LogLine("it happened", {"at": 1}), Publish(b"b")])
    assert (fixture.answers, fixture.published) == ([(b"c", Reply(b"i" * 16, 5))], [b"a", b"b"])
    assert logged == [{"event": "it happened", "at": 1, "log_level": "info"}]


def test_a_callback_gets_the_jobs_value_and_its_effects_are_carried_out_then(fixture):
    fixture.carry_out([Store(lambda _: 7, lambda value, why: [Publish(b"done"), ASKER.reply((value, why))])])
    assert fixture.answers == []
    fixture.until(lambda: fixture.answers)
    assert (fixture.published, fixture.answers) == ([b"done"], [(b"c", Reply(b"i" * 16, (7, "")))])


def test_jobs_run_in_the_order_of_their_effects(fixture):
    done = []
    fixture.carry_out([Store(lambda _, at=at: done.append(at), lambda *_: []) for at in range(20)])
    fixture.settle()
    assert done == list(range(20))


def test_a_refusal_by_a_callback_is_answered_and_does_not_affect_the_others(fixture):
    def refuses(value, why):
        error = ProtocolError("BUSY", "there is no room")
        error.details = {"retry_after_ms": 5}
        raise error

    last = Store(lambda _: 3, lambda *_: [Publish(b"3")])
    fixture.carry_out([Store(lambda _: 1, refuses, [ASKER]), Store(lambda _: 2, refuses), last])
    fixture.until(lambda: fixture.published)
    assert fixture.answers == [(b"c", Error(b"i" * 16, "BUSY", "there is no room", {"retry_after_ms": 5}))]
    assert fixture.guard.total == 0


def test_a_bug_in_a_callback_is_logged_and_answered_and_does_not_affect_the_others(fixture):
    fixture.carry_out([Store(lambda _: 1, lambda *_: 1 / 0, [ASKER]), Store(lambda _: 3, lambda *_: [Publish(b"3")])])
    fixture.until(lambda: fixture.published)
    [(client, message)] = fixture.answers
    assert (client, message.id, message.code) == (b"c", b"i" * 16, "INTERNAL")
    assert (fixture.guard.total, fixture.guard.last) == (
        1,
        "a callback of the store: ZeroDivisionError: division by zero",
    )


def test_an_effect_that_meets_a_bug_does_not_prevent_the_others(fixture, monkeypatch):
    monkeypatch.setattr(fixture.database, "put", None)  # a bug
    fixture.carry_out([Store(lambda _: 1, lambda *_: []), ASKER.reply(1), Publish(b"2")])
    assert (len(fixture.answers), fixture.published, fixture.guard.total) == (1, [b"2"], 1)


def test_a_failed_job_is_answered_with_the_reason_and_the_services_sentence(fixture):
    def then(value, why):
        check_stored(why, "nothing was changed")
        return [ASKER.reply(value)]

    fixture.carry_out([Store(lambda connection: connection.execute("SELECT no"), then, [ASKER])])
    fixture.until(lambda: fixture.answers)
    assert fixture.answers[0][1] == Error(b"i" * 16, "STORE_FAILED", "nothing was changed: no such column: no")


def test_a_service_reads_its_rows_at_once_if_the_store_can_be_used(tmp_path):
    fixture = EffectFixture(tmp_path)
    fixture.carry_out([Load(lambda connection: connection.execute("SELECT 5").fetchone(), lambda value, _: [Publish(value)])])
    assert fixture.published == [(5,)]


def test_the_effects_of_finished_jobs_are_carried_out_together_and_in_order(tmp_path):
    fixture = EffectFixture(tmp_path)
    lists = []
    put = fixture.put
    fixture.put = lambda effects: lists.append(list(effects)) or put(effects)
    fixture.carry_out([Store(lambda _, at=at: at, lambda at, why: [ASKER.reply(at)]) for at in range(3)])
    lists.clear()
    fixture.database.start()
    fixture.database.close()
    fixture.runner.finish_jobs()
    assert lists == [[ASKER.reply(at) for at in range(3)]]
