"""Recorded messages of venues, from the shared data."""

import json
from datetime import datetime

from shared_data import shared


def messages(name):
    """List (received_ms, message) of a recording in cryptofeed's line format, without what the client sent."""
    lines = shared(f"data/feeds/{name}").read_text().splitlines()
    split = [line.split(": ", 1) for line in lines if line[:1].isdigit()]
    return [(int(float(at) * 1000), message) for at, message in split]


def fixture(name):
    """Give one message of the fixtures as text."""
    return json.dumps(fixtures()[name])


def fixtures():
    """Give all fixtures: file name -> message, as values."""
    return json.loads(shared("data/feeds/nautilus_ws_fixtures.json").read_text())["messages"]


def utc_ms(text):
    """Read an ISO time by other means than the code under test: with six digits of a fraction, and a Z."""
    whole, _, fraction = text.rstrip("Z").partition(".")
    return int(datetime.fromisoformat(whole + "+00:00").timestamp()) * 1000 + int(fraction[:3])
