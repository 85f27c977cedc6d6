"""The live view, from numbers alone."""

import io

import pytest
from rich.console import Console

from hulak.clients.cli.live_model import LiveModel, Process
from hulak.clients.cli.live_view import MAJORS, duration, facts, line, price, render, sparkline
from hulak.clients.cli.scroll import Scroll

PAIRS = [a + b for a in ("EUR", "GBP", "AUD", "NZD") for b in ("USD", "CAD", "CHF", "JPY", "SEK", "NOK", "DKK")]
PAGE = "page http://127.0.0.1:5570/"
NAMES = ("supervisord", "broker", "feed", "nepse_00", "sim-nepse", "sim-venue")


def stats(symbols=28, done=4, workers=1, ticking=None):
    return {
        "broker": {"uptime_s": 50.0, "pid": 7, "rss_bytes": 50_000_000, "version": "0"},
        "ticks": {
            "taken": 12345,
            "per_s": 312.4,
            "symbols": symbols,
            "ticking": symbols if ticking is None else ticking,
            "feed_to_broker_us": {"p50": 120.0, "p99": 2100.0, "max": 1.0, "count": 9.0},
        },
        "tasks": {"queued": 1, "waiting": 1, "running": 0, "done": done, "failed": 0, "services": {}},
        "journal": {"state": "live"},
        "store": {"state": "live"},
        "processes": [],
        "scaling": {},
        "workers": [
            {
                "name": f"nepse_0{at}/9",
                "service": "nepse",
                "age_s": 9.0,
                "pid": 900 + at,
                "slot": f"nepse_0{at}",
                "state": "ready",
                "done": 4,
                "failed": 0,
                "held": 0,
            }
            for at in range(workers)
        ],
    }


def full_model():
    model = LiveModel(100.0, wanted_symbols=28, expects_task=True, page="http://127.0.0.1:5570/")
    for at, symbol in enumerate(PAIRS):
        model.add_tick({"symbol": symbol, "bid": 1.0 + at, "ask": 1.0001 + at}, 250.0, 101.0)
    model.add_stats(stats(), 104.0)
    model.add_task(True, "NEPSE OPEN")
    spare = [Process(f"nepse_0{at}", "stopped", 0, None) for at in range(1, 5)]
    model.processes = (*(Process(name, "running", 10, 50_000_000) for name in NAMES), *spare)
    return model


def screen(snapshot, width, height, **how):
    console = Console(width=width, height=height, file=io.StringIO(), force_terminal=False)
    console.print(render(snapshot, width, height, **how))
    return console.file.getvalue().rstrip("\n").split("\n")


def test_what_is_missing_is_named_in_the_order_in_which_it_comes():
    model = LiveModel(0.0, wanted_symbols=28, expects_task=True)
    assert model.snapshot(1.0).waits_for() == "the broker"
    model.add_stats(stats(symbols=3, workers=0), 1.0)
    assert model.snapshot(1.0).waits_for() == "a worker"
    model.add_stats(stats(symbols=3), 1.0)
    assert model.snapshot(1.0).waits_for() == "symbols to tick, 3 of 28"
    model.add_stats(stats(), 1.0)
    assert model.snapshot(1.0).waits_for() == "the first NEPSE task"
    model.add_task(False, "NEPSE: failed")
    assert model.snapshot(1.0).waits_for() == "the first NEPSE task"
    model.add_task(True, "NEPSE OPEN")
    assert model.snapshot(1.0).waits_for() == ""


def test_a_start_ends_when_it_is_complete_or_has_taken_too_long():
    model = LiveModel(0.0, wanted_symbols=28)
    assert model.snapshot(59.9).is_starting
    assert not model.snapshot(60.0).is_starting
    model.add_stats(stats(ticking=20), 1.0)
    assert model.snapshot(2.0).is_starting
    model.add_stats(stats(), 3.0)
    assert not model.snapshot(3.0).is_starting
    model.add_stats(stats(ticking=20), 4.0)
    assert model.snapshot(4.0).waits_for() == "symbols to tick, 20 of 28"
    assert not model.snapshot(4.0).is_starting, "supervisord was asked 20 times a second for as long as a symbol did not tick"


def test_a_start_with_displays_is_complete_when_all_that_it_creates_have_a_worker():
    model = LiveModel(0.0, wanted_displays=24)
    for displays, assigned, missing in (
        (0, 0, "displays, 0 of 24"),
        (11, 11, "displays, 11 of 24"),  # the others are not created yet
        (24, 23, "displays, 23 of 24"),
        (24, 24, ""),
        (30, 29, "displays, 29 of 30"),  # some are from an earlier run
        (30, 30, ""),
    ):
        model.add_stats({**stats(), "displays": {"displays": displays, "assigned": assigned}}, 1.0)
        assert model.snapshot(1.0).waits_for() == missing


def test_a_display_that_was_removed_is_not_missing():
    model = LiveModel(0.0, wanted_displays=28)
    with_displays = {number: {**stats(), "displays": {"displays": number, "assigned": number}} for number in (27, 28)}
    model.add_stats(with_displays[27], 1.0)  # of an earlier run, in which one of 28 was removed
    assert model.snapshot(1.0).waits_for() == "displays, 27 of 28"
    model.add_displays(27)
    assert model.snapshot(1.5).waits_for() == ""
    again = LiveModel(0.0, wanted_displays=28)
    again.add_displays(28)
    again.add_stats(with_displays[27], 1.0)
    assert again.snapshot(1.0).waits_for() == "displays, 27 of 28", "the 28th is created, the broker's statistics are older"
    again.add_stats(with_displays[28], 2.0)
    assert again.snapshot(2.0).waits_for() == ""
    again.add_stats(with_displays[27], 3.0)
    assert again.snapshot(3.0).waits_for() == "", "its user removed it"


def test_the_standing_line_counts_workers_and_symbols():
    assert full_model().snapshot(105.0).standing() == "1 worker, 28 symbols ticking, first NEPSE task done"
    model = LiveModel(0.0)
    model.add_stats(stats(symbols=0, workers=2), 1.0)
    assert model.snapshot(1.0).standing() == "2 workers, no symbol ticking"


def test_the_plain_line_has_rate_tasks_workers_latency_and_memory():
    assert line(full_model().snapshot(105.0)) == (
        "5 s: ticks 312/s of 28 symbols, 12,345 taken | tasks 4 done 0 failed | workers nepse_00 ready | "
        "feed to broker p50 120 µs p99 2.1 ms | broker to view p50 250 µs p99 250 µs | memory 300 MB"
    )
    assert line(LiveModel(0.0).snapshot(2.0)) == "2 s: waiting for the broker ..."


@pytest.mark.parametrize(("width", "height"), [(80, 24), (140, 45), (200, 60)])
def test_the_screen_fits_the_terminal_and_shows_every_symbol_and_process(width, height):
    lines = screen(full_model().snapshot(105.0), width, height)
    assert len(lines) <= height
    assert max(map(len, lines)) <= width
    text = "\n".join(lines)
    for name in (*PAIRS, *NAMES, "1 worker, 28 symbols ticking, first NEPSE task done", "nepse_04", "300 MB", "312/s", PAGE):
        assert name in text


def test_a_headline_that_is_too_long_leaves_out_the_symbols_and_keeps_its_news():
    model = full_model()
    model.stats = {**model.stats, "displays": {"displays": 29, "assigned": 29}}
    assert "1 worker, 29 displays, first NEPSE task done" in screen(model.snapshot(105.0), 80, 24)[0]
    assert "1 worker, 28 symbols ticking, 29 displays" in screen(model.snapshot(105.0), 120, 24)[0]


def test_a_small_terminal_loses_symbols_not_the_processes():
    lines = screen(full_model().snapshot(105.0), 60, 18)
    assert len(lines) <= 18
    assert any("broker" in row and "50 MB" in row for row in lines)


def test_a_worker_shows_the_broker_s_word_for_its_state():
    text = "\n".join(screen(full_model().snapshot(105.0), 80, 24))
    assert "nepse_00     ready" in text
    assert "4 done, 0 failed, holds 0" in text


def test_a_silent_broker_and_a_failing_process_are_shown():
    model = full_model()
    model.supervised = [{"name": "feed", "group": "feed", "state": "backoff", "pid": 0, "uptime_s": 0, "started": True}]
    assert model.snapshot(105.0).trouble == "CRITICAL (2 problems): 0 of 1 feeds report"
    assert model.snapshot(110.0).trouble == "CRITICAL (2 problems): no statistics from the broker for 6 s"
    assert not model.snapshot(105.0).healthy
    assert full_model().snapshot(105.0).healthy
    assert not model.snapshot(110.0).healthy
    assert "no statistics from the broker" in line(model.snapshot(110.0))
    shown = screen(model.snapshot(110.0), 80, 24)
    assert "CRITICAL, 2 problems" in shown[0]
    assert shown[1].startswith(" CRITICAL: no statistics from the broker for 6 s"), "of one level what is frozen comes first"
    assert len(shown) <= 24
    assert facts(model.snapshot(110.0))["health"]["problems"][0]["what"] == "broker_silent"


def test_a_frozen_process_is_marked_in_its_row():
    model = full_model()
    message = stats()
    message["processes"] = [{"kind": "nepse", "name": "nepse_00/900", "pid": 900, "age_s": 12.0}]
    model.add_stats(message, 104.0)
    model.processes = (Process("broker", "running", 7, 1), Process("nepse_00", "running", 900, 50_000_000))
    rows = [row.split()[:3] for row in screen(model.snapshot(105.0), 80, 24)]
    assert ["nepse_00", "hangs", "12"] in rows
    assert ["broker", "running", "7"] in rows
    rows = [row.split()[:3] for row in screen(model.snapshot(114.0), 80, 24)]
    assert ["broker", "hangs", "10"] in rows
    assert ["nepse_00", "unknown", "900"] in rows


def test_a_small_screen_shows_how_much_it_leaves_out_and_the_majors_come_first():
    model = full_model()
    for symbol in (*MAJORS, "ZARJPY"):
        model.add_tick({"symbol": symbol, "bid": 1.0, "ask": 1.1}, 250.0, 101.0)
    scroll = Scroll()
    text = "\n".join(screen(model.snapshot(105.0), 80, 18, scroll=scroll))
    assert [symbol for symbol in MAJORS if symbol not in text] == []
    assert "and 21 more" in text
    assert "ZARJPY" not in text
    scroll.press("end")
    text = "\n".join(screen(model.snapshot(105.0), 80, 18, scroll=scroll))
    assert "21 above" in text
    assert "ZARJPY" in text
    assert "scroll the prices" in "\n".join(screen(model.snapshot(105.0), 80, 18, show_keys=True))


def test_a_very_small_screen_counts_the_processes_it_leaves_out_and_keeps_those_that_are_not_well():
    model = full_model()
    model.processes = (*model.processes, Process("sim-odd", "fatal", 0, None))
    lines = screen(model.snapshot(105.0), 60, 13)
    assert len(lines) <= 13
    assert any(row.split()[:2] == ["sim-odd", "fatal"] for row in lines)
    assert any("and 5 more" in row for row in lines)


def test_the_number_of_ticks_has_a_heading():
    assert "ticks" in next(row for row in screen(full_model().snapshot(105.0), 140, 40) if "symbol" in row and "bid" in row)


def test_a_price_moves_up_or_down_against_the_quote_before():
    model = LiveModel(0.0)
    moves = []
    for bid in (1.0, 1.1, 1.1, 1.05):
        model.add_tick({"symbol": "EURUSD", "bid": bid, "ask": bid + 0.01}, 1.0, 0.0)
        moves.append(model.snapshot(0.0).prices[0].moved)
    assert moves == [0, 1, 1, -1]
    assert model.snapshot(0.0).prices[0].ticks == 4


@pytest.mark.parametrize(
    ("symbol", "source", "bid", "shown"),
    [
        ("EURUSD", "fx", 1.085, "1.08500"),
        ("USDJPY", "fx", 150.0, "150.000"),
        ("AAGF", "nepse", 10.1, "10.10"),
        ("NABIL", "nepse", 1007.1, "1007.10"),
        ("BTCUSDT", "kraken", 65123.4, "65123.40"),
        ("DEVELOPMENT-BANKS", "nepse", 1041.66, "1041.66"),
    ],
)
@pytest.mark.parametrize("width", [80, 140])
def test_a_price_has_the_decimals_of_its_symbol_and_touches_no_name(symbol, source, bid, shown, width):
    model = full_model()
    model.prices.clear()
    model.add_tick({"symbol": symbol, "bid": bid, "ask": bid, "source": source}, 1.0, 101.0)
    row = next(row for row in screen(model.snapshot(105.0), width, 40) if shown in row)
    cells = row.strip("│ ").split()
    assert cells[1:3] == [shown, shown]
    assert cells[0] == symbol or (cells[0].endswith("…") and symbol.startswith(cells[0][:-1]))


def test_only_the_last_column_of_the_processes_is_cut():
    model = full_model()
    spare = [Process(f"display_0{at}", "stopped", 0, None) for at in range(9)]
    model.processes = (*model.processes, Process("demo-nepse", "starting", 5, 1), *spare)
    text = "\n".join(screen(model.snapshot(105.0), 80, 24))
    assert all(name in text for name in ("supervisord", "demo-nepse", "starting"))


def test_what_is_no_quote_is_passed_over():
    model = LiveModel(0.0)
    model.add_tick({"symbol": 3}, 1.0, 0.0)
    model.add_tick([1], 1.0, 0.0)
    assert model.snapshot(0.0).prices == ()


def test_numbers_are_written_as_is_usual_for_their_size():
    assert [price(1.085, 5), price(10.1, 2), price(None, 2)] == ["1.08500", "10.10", "-"]
    assert duration(None) == "-"
    assert sparkline([0, 5, 10]) == "▁▄█"
    assert sparkline([0, 0]) == "▁▁"
    assert facts(full_model().snapshot(105.0))["standing"].startswith("1 worker")


def test_a_slot_whose_worker_was_sent_away_is_spare_and_a_feed_that_ended_is_not():
    model = full_model()
    model.processes = (
        Process("nepse_01", "exited", 0, None),
        Process("nepse_02", "stopped", 0, None),
        Process("feed", "exited", 0, None),
    )
    lines = screen(model.snapshot(105.0), 80, 24)
    assert any("2 stopped" in row and "nepse_01 nepse_02" in row for row in lines)
    assert any(row.split()[:2] == ["feed", "exited"] for row in lines)


def test_what_is_cut_in_80_columns_ends_with_dots_and_slow_latencies_are_whole():
    model = full_model()
    model.processes += tuple(Process(f"display_0{at}", "stopped", 0, None) for at in range(1, 9))
    slow = stats()
    slow["ticks"]["feed_to_broker_us"] |= {"p50": 10_400.0, "p99": 121_300.0}
    model.add_stats(slow, 104.0)
    for _ in range(100):
        model.add_tick({"symbol": "EURUSD", "bid": 1.0, "ask": 1.1}, 121_300.0, 104.0)
    lines = screen(model.snapshot(105.0), 80, 40)
    spare = next(row for row in lines if "12 stopped" in row)
    assert spare.rstrip().endswith("…")
    assert "nepse_01 nepse_02" in spare
    latency = next(row for row in lines if row.startswith(" latency "))
    assert "…" not in latency
    assert latency.endswith(" ms")


def test_a_symbol_that_no_longer_ticks_does_not_count_as_ticking():
    model = full_model()
    model.add_stats(stats(ticking=20), 104.0)
    snapshot = model.snapshot(105.0)
    assert snapshot.waits_for() == "symbols to tick, 20 of 28"
    assert snapshot.standing().startswith("1 worker, 20 symbols ticking, ")
    assert "312/s of 20 of 28 symbols ticking, " in line(snapshot)
    assert "12,345 taken, 20 of 28 symbols ticking" in screen(snapshot, 100, 24)[1]
