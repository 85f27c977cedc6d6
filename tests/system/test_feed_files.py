"""`hulak feed --file` with files of several formats: one feed posts them in the order of their times."""

import json
import subprocess

import pytest
from local_bus import LocalBus
from tick_forms import bi5
from waiting import eventually

from hulak.clients.history import History

pytestmark = pytest.mark.system
WITHIN_S = 20
HOUR_MS = 1_704_189_600_000  # 2024-01-02 10:00 UTC


def test_files_of_several_formats_are_posted_in_the_order_of_their_times():
    with LocalBus() as local_bus:
        check(local_bus)


def check(local_bus):
    def run(*words):
        process = local_bus.hulak("feed", "--file", local_bus.home / "data", *words, "--json", out=subprocess.PIPE)
        output, _ = process.communicate(timeout=WITHIN_S)
        return process.returncode, json.loads(output)

    local_bus.start_broker()
    hour = local_bus.home / "data/EURUSD/2024/00/02/10h_ticks.bi5"
    hour.parent.mkdir(parents=True)
    hour.write_bytes(bi5((1, 110432, 110428), (3, 110433, 110429), (5, 110434, 110430)))
    rows = ["<DATE>\t<TIME>\t<BID>\t<ASK>", *(f"2024.01.02\t12:00:00.00{ms}\t147.1\t147.2" for ms in (2, 4, 6))]
    (local_bus.home / "data/USDJPY.csv").write_text("\r\n".join(rows))

    code, refused = run("--prefix", "old", "--speed", "max")
    assert (code, "does not say its clock: give it, as --zone UTC" in refused["error"]["text"]) == (1, True)
    code, shown = run("--zone", "UTC+2", "--dry-run")
    assert (code, [(file["clock"], file["scale"]) for file in shown["files"]]) == (
        0,
        [("UTC", "1/100000"), ("UTC+2", "decimal prices")],
    )
    assert shown["files"][1]["first_rows"][0] == {
        "symbol": "USDJPY",
        "bid": 147.1,
        "ask": 147.2,
        "time": "2024-01-02T10:00:00.002Z",
    }
    window = ("--from", "2024-01-02T10:00:00.002", "--to", "2024-01-02T10:00:00.006")
    code, result = run("--zone", "UTC+2", "--prefix", "old", "--speed", "max", *window)
    assert (code, result["posted"], result["confirmed"], [file["ticks"] for file in result["files"]]) == (0, 4, 4, [2, 2])
    eventually(lambda: local_bus.stats()["ticks"]["taken"] == 4, within_s=WITHIN_S)
    with local_bus.client() as client:
        posted = [(event.topic, event.body["timestamp"] - HOUR_MS) for event in History(client, "ticks")]
    assert posted == [("tick.old.USDJPY", 2), ("tick.old.EURUSD", 3), ("tick.old.USDJPY", 4), ("tick.old.EURUSD", 5)]
