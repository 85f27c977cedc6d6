"""A real browser for the page's tests: Debian's Chromium, driven by Playwright; they skip with the reason where there is none."""

import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright
from waiting import eventually

WITHIN_S = 30
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ROOT = Path(__file__).resolve().parents[2]
COLLECT_VIOLATIONS = """addEventListener('securitypolicyviolation', (event) => {
  console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`);
})"""


def chromium():
    """Find Chromium, or skip."""
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        pytest.skip(f"there is no browser ({', '.join(NAMES)}); `make test` installs Debian's chromium where it may")
    return path


@contextlib.contextmanager
def browser():
    """Start a browser, without a window; it ends with the block."""
    executable = chromium()
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium's sandbox refuses root
    with sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=executable, args=arguments)
        yield running
        running.close()


@contextlib.contextmanager
def opened(running, url, *, width=1600, height=1000, scheme="light", **more):
    """Open a page; yields it and the list of what the browser complained of: errors, refused resources, policy."""
    context = running.new_context(viewport={"width": width, "height": height}, color_scheme=scheme, **more)
    page, complaints = context.new_page(), []
    page.on("console", lambda message: complaints.append(message.text) if message.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.add_init_script(COLLECT_VIOLATIONS)
    page.goto(url)
    yield page, complaints
    context.close()


def until(page, expression, *, within_s=WITHIN_S):
    """Wait until something is true in the page, and return it. (Playwright's own waiting breaks the page's policy.)"""
    return eventually(lambda: page.evaluate(expression), within_s=within_s, every_s=0.05)


class FakeGateway:
    """The page's own gateway as a process; see clients/fake_gateway.py."""

    def __init__(self, *words):
        self.process = None
        self.words = words

    def start(self, port=0):
        """Start it, again if need be."""
        program = ROOT / "tests" / "clients" / "fake_gateway.py"
        words = [sys.executable, str(program), "--port", str(port), *map(str, self.words)]
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())
        self.url = f"http://127.0.0.1:{self.port}/"

    def kill(self):
        """End it at once."""
        self.process.kill()
        self.process.wait(30)
        self.process.stdout.close()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.kill()
