"""Situations are made on a real bus, one after the other: every report of the state names the same situation."""

import json
import re
import signal
import urllib.error
import urllib.request

import pytest
from click.testing import CliRunner
from faults import Faults
from local_bus import LocalBus
from prometheus_client.parser import text_string_to_metric_families
from venue_thread import VenueThread
from waiting import eventually

from hulak.bus.errors import BusError
from hulak.clients.cli import cli
from hulak.clients.displays.client import DisplayClient

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]
WITHIN_S = 40
# Load of other processes delays ticks: that is judged elsewhere, and may change between two queries.
NOISE = {"tick_latency", "display_latency", "feed_stale", "gateway_late", "memory_growth", "disk_space"}
SYMBOLS = ("EURUSD", "USDJPY", "GBPUSD", "AUDUSD")


class Street:
    """A bus with all kinds of processes, and the reports of its state."""

    def __init__(self, local_bus, venue, faults):
        self.local_bus = local_bus
        self.local_bus.variables["HULAK_FEED__URL"] = venue.url("/json")
        with local_bus.having(local_bus.variables | (faults.variables if faults else {})):
            self.broker = local_bus.start_broker()
        self.gateway = local_bus.hulak("gateway")
        eventually(lambda: self.get("/healthz")[0] == 200, within_s=WITHIN_S)
        self.feed = self.start_feed()
        self.workers = [self.start_display_worker() for _ in range(2)]
        with DisplayClient(local_bus.settings, local_bus.home, timeout_s=WITHIN_S) as displays:
            for symbol in SYMBOLS:
                displays.create_worker_for_symbol(symbol, symbol.lower())
        # The broker reports a process as silent only after a message of it.
        eventually(lambda: len(self.local_bus.stats()["workers"]) == len(self.workers), within_s=WITHIN_S)

    def start_feed(self):
        return self.local_bus.hulak("feed", "--venue", "json", "--url", self.local_bus.variables["HULAK_FEED__URL"])

    def start_display_worker(self):
        return self.local_bus.hulak("worker", "display")

    def ask(self, *words):
        """Run a command; returns its exit code and what it printed."""
        done = CliRunner().invoke(cli, [*words, "--timeout", "2"], env=self.local_bus.variables)
        return done.exit_code, done.stdout

    def get(self, path):
        """Ask the gateway; returns the status and the body."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.local_bus.settings.gateway.port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError:  # it does not listen yet
            return 0, ""

    # Each gives {situation: its worst severity}, and what else it says

    def check(self):
        code, reply = self.ask("check", "--json")
        rows = [(finding["what"], finding["level"].lower()) for finding in json.loads(reply)["findings"]]
        assert code == {"OK": 0, "WARNING": 1, "CRITICAL": 2}[json.loads(reply)["level"]]
        return worst(rows)

    def status(self):
        code, reply = self.ask("status", "--json")
        return worst_of_problems(json.loads(reply)["health"]) if code == 0 else None

    def top(self):
        code, reply = self.ask("top", "--json")
        return worst_of_problems(json.loads(reply)["health"]) if code == 0 else None

    def headline(self):
        """Return the first line of the screen."""
        return self.ask("top", "--count", "1")[1].split("\n")[0]

    def readyz(self):
        status, text = self.get("/readyz")
        document = json.loads(text)
        assert (status == 503) is bool(document["reasons"])
        return worst_of_problems(document)

    def metrics(self):
        result = {}
        for family in text_string_to_metric_families(self.get("/metrics")[1]):
            for sample in family.samples:
                if sample.name == "hulak_problem" and sample.value:
                    result.setdefault(sample.labels["what"], set()).add(sample.labels["severity"])
        return {what: min(levels) for what, levels in result.items() if what not in NOISE}  # "critical" before "warning"

    def agree(self, wanted, *, but=()):
        """Wait until all reports agree and have the wanted situations; return them."""
        tellers = [item for item in (self.check, self.status, self.top, self.readyz, self.metrics) if item.__name__ not in but]
        last = {}

        def same():
            last.update({item.__name__: item() for item in tellers})
            reports = list(last.values())
            return all(item == reports[0] for item in reports) and (set(wanted) <= set(reports[0]) if wanted else not reports[0])

        try:
            eventually(same, within_s=WITHIN_S, every_s=0.2)
        except AssertionError:
            raise AssertionError(f"wanted {wanted}, told {last}") from None
        return last["check"]


def worst(rows):
    result = {}
    for what, severity in rows:
        if what not in NOISE:
            result[what] = min(severity, result.get(what, severity))  # "critical" before "warning"
    return result


def worst_of_problems(document):
    return worst((problem["what"], problem["severity"]) for problem in document["problems"])


def dead_letter(street):
    """Post a task that fails for good."""
    street.local_bus.hulak("worker", "bench", "--module", "hulak.workers.noop")
    with street.local_bus.client() as client:
        task = client.post("bench", "nonsense")
        with pytest.raises(BusError):
            client.result(task, timeout_s=WITHIN_S)


def test_all_commands_report_the_same(tmp_path, long, record_figure):
    """Full: all situations that can be made; short: a frozen display worker, and a dead letter."""
    faults = Faults(tmp_path) if long else None
    situations = []
    with VenueThread() as venue, LocalBus(**{"feed.stale_s": 6}) as local_bus:
        street = Street(local_bus, venue, faults)
        street.agree([])
        street.workers[0].send_signal(signal.SIGSTOP)
        situations.append(street.agree(["data_silent"]))
        assert re.search("WARNING|CRITICAL", street.headline())
        street.workers[0].send_signal(signal.SIGCONT)
        street.agree([])

        dead_letter(street)
        situations.append(street.agree(["dead_letters"]))
        assert re.search("WARNING|CRITICAL", street.headline())
        if long:
            situations += further(street, venue, faults)
    names = sorted({what for item in situations for what in item})
    record_figure(f"reported alike by check, status, top, /readyz and /metrics: {', '.join(names)}")


def further(street, venue, faults):
    """Make all other situations."""
    always = ["dead_letters"]
    for worker in street.workers:
        worker.kill()
    yield street.agree([*always, "displays_unassigned", "data_silent"])
    street.workers = [street.start_display_worker() for _ in range(2)]

    def served():
        return street.local_bus.stats()["displays"]["assigned"] == len(SYMBOLS)

    eventually(served, within_s=WITHIN_S)
    street.feed.send_signal(signal.SIGSTOP)
    yield street.agree([*always, "feeds_missing", "data_silent"])
    street.feed.send_signal(signal.SIGCONT)
    venue.quiet(True)
    eventually(lambda: street.get("/readyz")[0] == 503, within_s=WITHIN_S)
    venue.quiet(False)
    with street.local_bus.client() as client:
        client.post("sums", "add")  # no worker does that
    yield street.agree([*always, "tasks_without_worker"])
    faults.disk("full")
    yield street.agree([*always, "journal_degraded"])
    faults.disk("well")
    street.gateway.send_signal(signal.SIGSTOP)
    yield street.agree([*always, "data_silent"], but=("readyz", "metrics"))
    street.gateway.send_signal(signal.SIGCONT)
    street.broker.send_signal(signal.SIGSTOP)
    yield street.agree(["broker_silent"], but=("status", "top"))
    assert street.get("/healthz")[0] == 200, "to restart the gateway would not help"
    assert street.status() is None
    street.broker.send_signal(signal.SIGCONT)
    street.agree(always)
