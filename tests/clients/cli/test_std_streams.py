"""Standard streams that are closed or full, encodings, arguments of any bytes, and daemons that end while they start."""

import io
import json
import os
import signal
import subprocess
import sys

import pytest

from hulak.bus.process import lifecycle
from hulak.clients.cli import std_streams

HULAK = [sys.executable, "-m", "hulak"]


def shell(command, **variables):
    """Run a shell's command line, with $HULAK as the command."""
    environment = {**os.environ, "HULAK": " ".join(HULAK), **variables}
    return subprocess.run(["sh", "-c", command], env=environment, capture_output=True, timeout=60, check=False)


@pytest.mark.parametrize(
    ("output", "why"),
    [(">&-", b"Bad file descriptor"), (">/dev/full", b"No space left on device")],
)
@pytest.mark.parametrize("words", ["--version", "--help", "nepse market-depth --help"])
def test_an_output_that_cannot_be_written_is_reported_in_one_sentence(output, why, words):
    done = shell(f"$HULAK {words} {output}")
    assert (done.returncode, done.stderr) == (1, b"hulak: standard output cannot be written: " + why + b"\n")


def test_without_input_and_error_output_it_works_and_a_reader_may_have_had_enough():
    assert shell("$HULAK --version <&- 2>&-").stdout.startswith(b"hulak ")
    assert shell("$HULAK --help | head -1; echo $?").stderr == b""


def test_a_character_that_the_encoding_has_not_is_written_as_in_json():
    program = (
        "from hulak.clients.cli import std_streams; std_streams.prepare(); print('\\\"\\u0928\\u00e9\\U0001f600\\udcff\\\"')"
    )
    for encoding in ("latin-1", "ascii", "utf-8"):
        done = shell(f'{sys.executable} -c "{program}"', PYTHONIOENCODING=encoding)
        assert json.loads(done.stdout.decode(encoding)) == "\u0928\u00e9\U0001f600\udcff"


def test_only_characters_that_cannot_be_written_are_written_otherwise():
    broken = UnicodeDecodeError("utf-8", b"\xff", 0, 1, "no")
    with pytest.raises(UnicodeDecodeError):
        std_streams._as_in_json(broken)
    wrapper = io.TextIOWrapper(io.BufferedWriter(std_streams._Output(os.open("/dev/full", os.O_WRONLY), "w")))
    wrapper.write("x")
    with pytest.raises(std_streams.OutputFailed):
        wrapper.flush()
    with pytest.raises(std_streams.OutputFailed):
        wrapper.close()


@pytest.mark.parametrize("words", [("sub", b"\xff"), ("task", "call", "a", "b", "--arg", b"x=\xff"), (b"\xff",)])
def test_an_argument_that_is_not_utf8_is_a_wrong_usage(words):
    done = subprocess.run([*HULAK, *words], capture_output=True, timeout=60, check=False)
    assert (done.returncode, b"Traceback" in done.stderr) == (2, False)
    if len(words) > 1:
        assert b"\\xff' is not UTF-8" in done.stderr


def test_a_homes_name_may_be_any_bytes(tmp_path):
    home = os.fsencode(tmp_path) + b"/\xff"
    done = subprocess.run([*HULAK, "journal", "ls", "--home", home], capture_output=True, timeout=60, check=False)
    assert b"Traceback" not in done.stderr
    assert done.returncode != 2


@pytest.mark.parametrize("after_s", ["0.001", "0.3", "0.6"])
def test_a_daemon_whose_time_is_over_while_it_starts_ends_with_0(after_s, tmp_path):
    done = subprocess.run(
        [*HULAK, "sim", "venue", "--port", "1", "--timeout", after_s, "--home", tmp_path], capture_output=True, check=False
    )
    # A port that an ordinary user may not have: whether it comes so far depends on the machine.
    assert done.returncode in (0, 78), done
    assert b"Alarm" not in done.stderr


def test_a_hangup_ends_a_daemon_in_good_order_unless_it_was_to_outlive_its_terminal():
    before = signal.getsignal(signal.SIGHUP)
    try:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        assert signal.SIGHUP in lifecycle.stop_signals()
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        assert lifecycle.stop_signals() == [signal.SIGTERM, signal.SIGINT]
    finally:
        signal.signal(signal.SIGHUP, before)
