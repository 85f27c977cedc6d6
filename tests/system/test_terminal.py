"""Commands on a real terminal, against a real broker: they take the whole screen, and `q` gives it back."""

import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from fcntl import ioctl

import pytest
from local_bus import LocalBus

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def local_bus():
    with LocalBus() as local_bus:
        local_bus.start_broker()
        yield local_bus


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("top",), b"Processes"),
        (("sub", "stats"), b"q quits, arrows scroll"),
        (("sub", "stast"), b"no message was published on 'stast' yet; did you mean 'stats'?"),
        (("displays", "watch"), b"no display has a state yet; `hulak displays` lists all"),
        (("displays", "watch"), b"q quits, arrows scroll"),
    ],
)
def test_a_view_fills_the_terminal_until_q(local_bus, words, text):
    reader, terminal = pty.openpty()
    ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    before = termios.tcgetattr(terminal)
    environment = {**os.environ, **local_bus.variables, "TERM": "xterm-256color"}
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", STARTS, *words],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env=environment,
        start_new_session=True,
    )
    output, deadline = b"", time.monotonic() + 60
    try:
        while process.poll() is None and time.monotonic() < deadline:
            if select.select([reader], [], [], 0.1)[0]:
                output += os.read(reader, 1 << 16)
            if text in output:
                os.write(reader, b"\x1b[Bq")
                text = b"\0 only once"
        assert process.poll() == 0, output[-2000:]
    finally:
        process.kill()
        process.wait(30)
    while select.select([reader], [], [], 0)[0]:
        output += os.read(reader, 1 << 16)
    assert output.count(b"\x1b[?1049h") == output.count(b"\x1b[?1049l") == 1, "the screen from before is shown again"
    assert termios.tcgetattr(terminal) == before
    os.close(reader)
    os.close(terminal)


STARTS = """
import fcntl, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)  # the terminal is that of this session, as under a shell
from hulak import main
sys.argv[0] = "hulak"
main()
"""
