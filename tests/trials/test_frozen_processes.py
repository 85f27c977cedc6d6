"""Each process of a whole system is stopped in turn: every surface says so, in one sentence."""

import contextlib
import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
import urllib.error
import urllib.request

import pytest
from browser import browser, opened, until
from local_bus import ROOT, LocalBus, free_ports
from prometheus_client.parser import text_string_to_metric_families
from waiting import eventually

from hulak.clients.supervisord import processes

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]
LIMIT_S, LONG_LIMIT_S = 90.0, 2.0  # until every surface says so: on a busy machine, and alone on an idle one
LINES, COLUMNS = 50, 250
SENTENCE = r"{} is silent: no sign of life for \d+ s, it is frozen or dead"
FROZEN = ("feed", "display_00", "nepse_00", "gateway", "broker")  # in turn; the name under supervisord
TITLES = {"feed": "feed \\S+"}  # where the sentence has another name
UNSERVED = {"readyz", "metrics"}  # that a frozen gateway cannot serve: their scraper sees a timeout


class Screen:
    """A command on a terminal, with the text that it has written since the last `clear`."""

    def __init__(self, local_bus, *words):
        self.text, self._lock = "", threading.Lock()
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
        environment = {**os.environ, **local_bus.variables, "TERM": "xterm-256color", "NO_COLOR": "1"}
        environment |= {"LINES": str(LINES), "COLUMNS": str(COLUMNS)}  # the tests of a run in parallel have others
        words = [sys.executable, "-m", "hulak", *words]
        self.process = subprocess.Popen(
            words,
            env=environment,
            cwd=ROOT,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - it makes one system call
        )
        local_bus.processes.append(self.process)
        os.close(theirs)
        threading.Thread(target=self._read, args=(ours,), daemon=True).start()

    def _read(self, descriptor):
        with contextlib.suppress(OSError):  # the terminal's end
            while some := os.read(descriptor, 1 << 16):
                with self._lock:
                    self.text += re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", some.decode(errors="replace"))

    def clear(self):
        with self._lock:
            self.text = ""


class EventStream:
    """A stream of the gateway's API, with the text of it since the last `clear`."""

    def __init__(self, url):
        self.text = ""
        self._stream = urllib.request.urlopen(f"{url}/api/v1/events?topics=stats", timeout=LIMIT_S)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        with contextlib.suppress(OSError, ValueError), self._stream:  # its end
            for line in self._stream:
                self.text += line.decode()


class Surfaces:
    """Everything that tells people or machines about the health of the system."""

    def __init__(self, local_bus, up, page):
        self.local_bus, self.up, self.page, self.url = local_bus, up, page, local_bus.settings.gateway.url.rstrip("/")
        self.top = Screen(local_bus, "top")
        self.events = EventStream(self.url)
        eventually(lambda: "Hulak top" in self.top.text and self.events.text, within_s=LIMIT_S)

    def clear(self):
        self.top.clear()
        self.events.text = ""
        self._up_from = self.up.log.stat().st_size

    def get(self, path):
        try:
            with urllib.request.urlopen(self.url + path, timeout=1) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError:  # its timeout
            return 0, ""

    def readyz(self):
        status, text = self.get("/readyz")
        return text if status else ""

    def metrics(self):
        """Return the sentence of the situation in force: metrics name situations, not processes."""
        problems = set()
        for family in text_string_to_metric_families(self.get("/metrics")[1]):
            problems |= {sample.labels["what"] for sample in family.samples if sample.name == "hulak_problem" and sample.value}
        return " ".join(problems)

    def check(self):
        words = [sys.executable, "-m", "hulak", "check"]
        environment = {**os.environ, **self.local_bus.variables}
        return subprocess.run(words, env=environment, capture_output=True, text=True, check=False, cwd=ROOT).stdout

    def printed_by_up(self):
        return self.up.log.read_bytes()[self._up_from :].decode()

    def on_page(self):
        return self.page.evaluate("['#status', '#health'].map((name) => document.querySelector(name).innerText).join('\\n')")

    def on_cards(self):
        return self.page.evaluate("[...document.querySelectorAll('.card')].map((card) => card.ariaLabel).join('\\n')")

    def in_panels(self):
        return self.page.evaluate("document.querySelector('#processes').innerText")


def first_time(surface, pattern, since, times, name):
    """Record after how many seconds a surface says so; of a command that ran meanwhile, when it was started."""
    while name not in times and time.monotonic() < since + LIMIT_S:
        began = time.monotonic()
        if re.search(pattern, surface()):
            times[name] = (began if name == "check started" else time.monotonic()) - since
        time.sleep(0.02)


def asked(surfaces, name):
    """Return the surfaces that threads ask, and those of the page: name, what it shows, what it must say of a frozen process."""
    sentence = SENTENCE.format(TITLES.get(name, name))
    what = {"broker": "broker_silent", "nepse_00": "process_silent"}.get(name, "data_silent")
    check = "check" if name == "broker" else "check started"
    wanted = {
        "top": (lambda: surfaces.top.text, sentence),
        "up": (surfaces.printed_by_up, sentence),
        check: (surfaces.check, sentence),
    }
    if name != "gateway":
        wanted |= {"readyz": (surfaces.readyz, sentence), "metrics": (surfaces.metrics, what)}
    if name == "broker":
        wanted["events"] = (lambda: surfaces.events.text, rf'"silent":true,"text":"{sentence}"')
    return wanted, asked_of_page(surfaces, name, sentence)


def asked_of_page(surfaces, name, sentence):
    """Return the parts of the page that name a frozen process."""
    on_page = {"page": (surfaces.on_page, sentence)}
    if name in ("broker", "gateway"):
        on_page["cards"] = (surfaces.on_cards, f"{name} is silent")
    elif name == "feed":
        on_page["cards"] = (surfaces.on_cards, r"feed \S+ is silent")
    if name not in ("broker", "gateway"):
        on_page["panels"] = (surfaces.in_panels, rf"{name}\S*.*▲")
    return on_page


def measured(surfaces, name, pid):
    """Stop a process; return the seconds after which each surface says so."""
    wanted, on_page = asked(surfaces, name)
    surfaces.clear()
    os.kill(pid, signal.SIGSTOP)
    since, times = time.monotonic(), {}
    threads = [threading.Thread(target=first_time, args=(*way, since, times, key)) for key, way in wanted.items()]
    for thread in threads:
        thread.start()
    while on_page.keys() - times.keys() and time.monotonic() < since + LIMIT_S:  # Playwright serves one thread
        for key, (surface, pattern) in on_page.items():
            if key not in times and re.search(pattern, surface()):
                times[key] = time.monotonic() - since
        time.sleep(0.02)
    for thread in threads:
        thread.join()
    os.kill(pid, signal.SIGCONT)
    missing = (wanted.keys() | on_page.keys()) - times.keys()
    assert not missing, (name, missing, {key: way[0]() for key, way in (wanted | on_page).items() if key in missing})
    return times


def test_every_surface_reports_in_the_same_words_that_a_process_is_frozen(long, record_figure):
    """Full: each within 2 s, on a machine with nothing else to do; short: within a minute, on any."""
    venue, nepse = free_ports(2)
    settings = {"sim.venue_port": venue, "sim.nepse_port": nepse, "nepse.rate_per_s": 50}
    settings |= {} if long else {"sim.ticks_per_s": 100}
    with LocalBus(**settings) as local_bus, browser() as chrome:
        up = local_bus.hulak("up", "--demo")
        eventually(lambda: "page: " in up.log.read_text(), within_s=90)
        eventually(lambda: "demo-nepse runs" in up.log.read_text(), within_s=60)
        with opened(chrome, local_bus.settings.gateway.url) as (page, _):
            until(page, "window.hulak?.status().displays > 20")
            surfaces, slowest = Surfaces(local_bus, up, page), {}
            for name in FROZEN:
                until(page, "!document.body.innerText.includes(' silent')", within_s=LIMIT_S)
                eventually(lambda: "silent:" not in surfaces.readyz() != "", within_s=LIMIT_S)
                [pid] = [row["pid"] for row in processes(local_bus.home) if row["name"] == name]
                slowest[name] = measured(surfaces, name, pid)
                line = ", ".join(f"{key} {seconds:.2f}" for key, seconds in sorted(slowest[name].items()))
                record_figure(f"{name} frozen, seconds until each surface says so: {line}")
        up.send_signal(signal.SIGTERM)
        up.wait(LIMIT_S)
    if long:
        late = {(name, key): s for name, times in slowest.items() for key, s in times.items() if s > LONG_LIMIT_S}
        assert not late
