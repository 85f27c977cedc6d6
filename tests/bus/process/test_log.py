"""The log level, changed while the process runs."""

import contextlib
import json
import os
import sys

import pytest
import structlog

from hulak.bus.process import log
from hulak.bus.process.settings import LogSettings


@pytest.fixture(autouse=True)
def as_before():  # no parameter of a test may have its name: it would not run then
    yield
    log.set_level("info")
    structlog.reset_defaults()  # a logger set up here writes to this test's standard error


def output(capsys):
    return [json.loads(line)["event"] for line in capsys.readouterr().err.splitlines()]


def test_a_logger_that_was_used_already_follows_the_level(capsys):
    logger = log.set_up(LogSettings(level="warning", format="json"), process="x")
    bound = logger.bind(more=1)
    for child in (logger, bound):
        child.info("no")
        child.warning("yes")
    log.set_level("debug")
    for child in (logger, bound):
        child.debug("yes")
    log.set_level("error")
    logger.warning("no")
    logger.error("yes")
    try:
        raise ValueError("this")
    except ValueError:
        logger.exception("yes")
    assert output(capsys) == ["yes"] * 6


@pytest.mark.parametrize("level", ["debug", "info", "warning", "error"])
def test_each_level_lets_itself_and_what_is_above_through(capsys, level):
    logger = log.set_up(LogSettings(level=level, format="json"))
    order = ["debug", "info", "warning", "error"]
    for name in order:
        getattr(logger, name)(name)
    assert output(capsys) == order[order.index(level) :]


@pytest.mark.parametrize("gone", ["closed", "a pipe without a reader"])
def test_a_log_that_cannot_be_written_loses_the_line_and_the_process_continues(monkeypatch, gone):
    reader, writer = os.pipe()
    os.close(reader)
    stream = os.fdopen(writer, "w", buffering=1)
    monkeypatch.setattr(sys, "stderr", stream)
    logger = log.set_up(LogSettings(format="json"), process="x")
    if gone == "closed":
        with contextlib.suppress(OSError):
            stream.close()
    try:
        raise ValueError("a task's own bug")
    except ValueError:
        logger.exception("task crashed")
    logger.info("and on")
    with contextlib.suppress(OSError):
        stream.close()
