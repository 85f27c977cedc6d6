"""A task of a service without a worker: a note reaches the caller while it waits."""

import json

import pytest
from click.testing import CliRunner
from local_bus import LocalBus

from hulak.clients.cli import cli, missing_worker

ADVICE = "`hulak workers` lists the workers, `hulak workers add` adds a service"


@pytest.fixture(scope="module")
def bus():
    with LocalBus() as local_bus:
        local_bus.start_broker()
        yield local_bus


@pytest.fixture
def run(bus, monkeypatch):
    """Run a command on the broker; a note comes at once."""
    monkeypatch.setattr(missing_worker, "NOTICE_S", 0.0)
    return lambda *words: CliRunner().invoke(cli, words, env=bus.variables)


@pytest.mark.parametrize(
    "words",
    [
        ("task", "call", "sums", "add"),
        ("nepse", "market-status"),
        ("nepse", "agm", "NABIL"),
        ("schedule", "calendar", "update", "nepse"),
    ],
)
def test_a_call_without_a_worker_prints_it_at_once_and_again_at_the_end(run, words):
    result = run(*words, "--timeout", "2")
    service = "sums" if words[0] == "task" else "nepse"
    note, error = result.stderr.splitlines()
    assert note == f"hulak: service {service!r} has no worker: the task waits for one, 2 s at most; {ADVICE}"
    assert error.startswith(f"hulak: service {service!r} has no worker: none took the task within 2 s; see `hulak workers`")
    assert (result.exit_code, result.stdout) == (3, "")


def test_with_json_the_note_is_no_part_of_the_answer(run):
    result = run("task", "call", "sums", "--timeout", "2", "--json")
    assert json.loads(result.stdout)["error"]["code"] == "TIMEOUT"
    assert ADVICE in result.stderr


def test_a_posted_task_without_a_worker_is_noted_when_it_is_posted_and_when_its_result_is_awaited(run):
    posted = run("task", "post", "sums", "add")
    assert (posted.exit_code, len(posted.stdout.strip())) == (0, 32)
    assert posted.stderr == f"hulak: service 'sums' has no worker: the task waits until one is there; {ADVICE}\n"
    note, error = run("task", "result", posted.stdout.strip(), "--timeout", "2").stderr.splitlines()
    assert note.startswith("hulak: service 'sums' has no worker: the task waits for one, 2 s at most; ")
    assert "is queued after 2 s; it continues, `hulak task result` shows it" in error


class Stats:
    """A client of a broker with workers of some services."""

    def __init__(self, *services):
        self.services = services

    def call(self, service, *, timeout_s):
        return {"workers": [{"service": name} for name in self.services]}


def test_a_service_with_a_worker_gets_no_note_and_a_mistyped_one_the_nearest_name():
    assert missing_worker.missing(Stats("sums", "nepse"), "sums") is None
    assert missing_worker.missing(Stats("sums", "nepse"), "hulak.replay") is None, "the broker does it itself"
    state, advice = missing_worker.missing(Stats("sums", "nepse"), "nespe")
    assert (state, advice) == ("service 'nespe' has no worker", f"{ADVICE}; did you mean 'nepse'?")
