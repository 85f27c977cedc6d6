"""`hulak top` on a terminal: its keys and its mouse, on textual's test terminal, with data from a fake source."""

import asyncio
from types import SimpleNamespace

import pytest
from textual.widgets import DataTable, Input, Static
from top_data import quote, report, stats, task_row

from hulak.clients.cli import top_app
from hulak.clients.cli.grid import Grid
from hulak.clients.cli.listing import Order
from hulak.clients.cli.top_app import ListScreen, TopApp
from hulak.clients.cli.top_screens import DetailScreen, KeysScreen
from hulak.clients.cli.top_source import MessageUpdate, ProblemUpdate, Shown, StatsUpdate, TasksUpdate, TopicsUpdate
from hulak.clients.cli.top_state import TopState
from hulak.clients.judge.facts import Facts
from hulak.clients.judge.verdict import judge

SYMBOLS = [f"{base}{quote}" for base in ("EUR", "GBP", "AUD") for quote in ("USD", "JPY", "CHF", "CAD", "NOK", "SEK", "DKK")]


class FakeSource:
    """Updates that a test puts in, and what the view said that it shows."""

    def __init__(self):
        self.waiting, self.shown = [StatsUpdate(stats(), 0.0)], [Shown("processes")]

    def updates(self):
        taken, self.waiting = self.waiting, []
        return taken

    def supervised(self):
        return ()

    def show(self, shown):
        self.shown.append(shown)
        if shown.tab == "topics" and not shown.key:
            self.waiting.append(
                TopicsUpdate([quote(symbol, at + 1, 1.0 + at, 1.1 + at) for at, symbol in enumerate(SYMBOLS)], 0.0)
            )
        if shown.tab == "topics" and shown.key:
            self.waiting += [MessageUpdate(quote(shown.key.removeprefix("tick."), number, 9.0, 9.5)) for number in (50, 51)]
        if shown.tab == "tasks":
            self.waiting.append(TasksUpdate([task_row()]))


class Trial:
    """A running application and what is on its screen."""

    def __init__(self, app, pilot, source):
        self.app, self.pilot, self.source = app, pilot, source

    async def press(self, *keys):
        await self.pilot.press(*keys)
        await self.pilot.pause()
        self.app.turn()
        await self.pilot.pause()

    def cells(self, column=0):
        """Return the texts of a column of the table."""
        grid = self.app.screen.query_one(Grid)
        return [grid.get_row_at(row)[column].plain for row in range(grid.row_count)]

    def text(self, name):
        return str(self.app.screen.query_one(name, Static).content)

    @property
    def cursor(self):
        return self.app.screen.query_one(Grid).cursor_row


def run(trial, size=(80, 24), state=None):
    """Run a trial on a terminal of a size; returns the application."""

    async def whole():
        source = FakeSource()
        app = TopApp(source, lambda data, now: judge(Facts(data.stats)), state or TopState(), Order())
        async with app.run_test(size=size) as pilot:
            await pilot.pause()
            app.turn()
            await pilot.pause()
            await trial(Trial(app, pilot, source))
        return app

    return asyncio.run(whole())


def test_arrows_move_and_digits_and_tab_choose_a_tab():
    async def trial(top):
        assert top.cells() == ["broker", "feed", "nepse", "sums"]
        await top.press("down", "down", "up")
        assert (top.cursor, top.app.is_running) == (1, True)
        await top.press("2")
        assert top.cells() == ["binance"]
        await top.press("tab")
        assert (top.source.shown[-1], len(top.cells())) == (Shown("topics"), len(SYMBOLS))
        await top.press("end")
        assert top.cursor == len(SYMBOLS) - 1
        await top.press("pageup", "home", "shift+tab")
        assert (top.cursor, top.cells()) == (0, ["binance"])

    run(trial)


def test_a_filter_leaves_the_rows_with_its_words_and_escape_removes_it():
    async def trial(top):
        await top.press("3", "slash", *"jpy")
        assert top.app.screen.query_one(Input).value == "jpy"
        assert top.cells() == ["tick.AUDJPY", "tick.EURJPY", "tick.GBPJPY"]
        await top.press("enter", "down")
        assert (top.cursor, top.app.screen.query_one(Input).display) == (1, False)
        await top.press("slash", "q")
        assert top.app.is_running, "a letter of the filter is no key"
        assert top.cells() == []
        await top.press("escape")
        assert len(top.cells()) == len(SYMBOLS)

    run(trial)


def test_keys_and_headings_sort_and_the_cursor_stays_at_its_row():
    async def trial(top):
        await top.press("3", "down", "down")
        chosen = top.cells()[top.cursor]
        await top.press("greater_than_sign", "greater_than_sign")
        assert (top.cells()[0], top.cells()[top.cursor]) == ("tick.AUDDKK", chosen)
        assert "last▼" in [label.label.plain for label in top.app.screen.query_one(Grid).ordered_columns]
        await top.press("r")
        assert top.cells()[0] == "tick.EURUSD"
        await top.pilot.click(Grid, offset=(3, 0))
        await top.press("x")
        assert top.cells() == sorted(top.cells()), "a click on the first heading sorts by it"

    run(trial)


def test_enter_shows_the_details_and_escape_goes_back_to_the_row():
    async def trial(top):
        await top.press("down", "enter")
        assert isinstance(top.app.screen, DetailScreen)
        assert top.text("#title") == "process binance"
        assert "refused" in top.cells()
        columns = top.app.screen.query_one(Grid).ordered_columns
        assert columns[0].width == max(map(len, top.cells())), "no name is cut"
        assert columns[1].width == max(map(len, top.cells(1)))
        await top.press("escape", "3", "down", "enter")
        assert top.source.shown[-1] == Shown("topics", "tick.AUDCHF")
        assert top.cells(0) == ["51", "50"], "its messages, the newest first"
        await top.press("escape")
        assert isinstance(top.app.screen, ListScreen)
        assert (top.cursor, top.source.shown[-1]) == (1, Shown("topics"))
        await top.press("4", "enter")
        assert top.source.shown[-1] == Shown("tasks", "01" * 16)

    run(trial)


def test_a_pause_keeps_the_data_and_a_question_mark_shows_the_keys():
    async def trial(top):
        await top.press("space")
        top.source.waiting.append(StatsUpdate(stats(per_s=999.0), 1.0))
        await top.press("question_mark")
        assert isinstance(top.app.screen, KeysScreen)
        await top.press("question_mark")
        assert isinstance(top.app.screen, ListScreen)
        assert top.app.state.data.stats["ticks"]["per_s"] == 250.0
        await top.press("space")
        assert not top.app.state.paused

    run(trial)


@pytest.mark.parametrize("keys", [("enter", "q"), ("question_mark", "q"), ("slash", "a", "ctrl+c")])
def test_q_and_ctrl_c_quit_from_everywhere(keys):
    async def trial(top):
        await top.pilot.press(*keys)
        for _ in range(100):
            await top.pilot.pause()
            if not top.app.is_running:
                break
        assert not top.app.is_running

    assert run(trial).return_code == 0


def test_it_ends_after_the_wanted_number_of_screens():
    app = run(lambda top: top.pilot.pause(), state=TopState(remaining=1))
    assert (app.state.remaining, app.return_code) == (0, 0)


@pytest.mark.parametrize("size", [(40, 10), (200, 60)])
def test_a_resized_terminal_shows_as_many_columns_as_it_has_room_for(size):
    async def trial(top):
        await top.press("1", "3", "4", "5", "1")
        grid = top.app.screen.query_one(Grid)
        assert grid.size.height >= 3
        assert len(grid.columns) == {40: 5, 200: 12}[size[0]]
        await top.pilot.resize_terminal(60, 20)
        await top.press("down")
        assert len(grid.columns) == 5

    run(trial, size)


ODD = ("[red]x[/]", "[/]", "[link=http://x]y", "a\x1b[2Jb\rc\n", "\u202eabc", "日本" * 60, "é" * 300, " ", "")


@pytest.mark.parametrize("size", [(20, 5), (80, 24), (1, 1)])
def test_odd_names_are_shown_as_they_are_and_break_nothing(size):
    async def trial(top):
        rows = [report(kind, name, 100 + at, state=name, why=name) for at, name in enumerate(ODD) for kind in ("feed", "nepse")]
        top.source.waiting.append(StatsUpdate(stats(*rows), 0.0))
        top.source.waiting.append(ProblemUpdate("processes", "[red]bad[/]\x1b[2J"))
        for tab in "21634":
            await top.press(tab, "down", "enter")
            await top.press("escape")
        await top.press("1", "slash", *"[red]x")
        assert [row[:9] for row in top.cells(1)] == ["[red]x[/]"] * 2
        assert top.app.is_running

    run(trial, size)


def test_a_view_of_very_many_processes_rests_as_long_as_it_works(monkeypatch):
    app, clock, turns = TopApp(FakeSource(), lambda data, now: None, TopState()), SimpleNamespace(now=100.0), []
    monkeypatch.setattr(top_app, "time", SimpleNamespace(monotonic=lambda: clock.now))

    def turn():
        turns.append(clock.now)
        clock.now += 0.7

    monkeypatch.setattr(app, "turn", turn)
    for _ in range(12):
        app.tick()
        clock.now += 0.25
    assert turns == pytest.approx([100.0, 101.45, 102.9, 104.35]), "a turn takes 0.7 s, then come three quarters of a second"


def counted(monkeypatch, owner, name):
    """Count the calls of a method; returns the list of their arguments."""
    real, calls = getattr(owner, name), []

    def method(self, *args, **more):
        calls.append(args)
        return real(self, *args, **more)

    monkeypatch.setattr(owner, name, method)
    return calls


def test_without_an_update_nothing_is_drawn_until_the_ages_have_grown(monkeypatch):
    async def trial(top):
        monkeypatch.setattr(top_app, "AGES_S", 3600.0)  # else a busy machine lets them grow before the turns
        drawn = counted(monkeypatch, ListScreen, "draw_parts")
        top.app.turn()
        top.app.turn()
        assert drawn == []
        top.source.waiting.append(StatsUpdate(stats(), 0.0))
        top.app.turn()
        assert len(drawn) == 1
        monkeypatch.setattr(top_app, "AGES_S", 0.0)
        top.app.turn()
        assert len(drawn) == 2

    run(trial)


def test_a_change_of_the_health_is_drawn_at_once(monkeypatch):
    async def trial(top):
        drawn = counted(monkeypatch, ListScreen, "draw_parts")
        top.app._judge = lambda data, now: judge(Facts(data.stats, broker_silence_s=2.0))
        top.app.turn()
        assert len(drawn) == 1
        assert "broker is silent" in "".join(line.plain for line in top.app.screen._written["#head"])

    run(trial)


def test_a_cell_is_rendered_again_only_when_its_text_changes(monkeypatch):
    async def trial(top):
        grid, rendered = top.app.screen.query_one(Grid), counted(monkeypatch, DataTable, "_render_cell")
        changed = stats()
        changed["broker"]["rss_bytes"] += 50_000_000
        top.source.waiting.append(StatsUpdate(changed, 0.0))
        top.app.turn()
        await top.pilot.pause()
        cells = {(row, grid.columns_shown[column].name) for row, column, *_ in rendered if row >= 0}
        assert cells == {(0, "memory")}

    run(trial)


def test_a_row_that_comes_into_view_has_its_newest_text():
    async def trial(top):
        await top.press("3")
        top.source.waiting.append(TopicsUpdate([quote(symbol, 9, 7.0, 7.5) for symbol in SYMBOLS], 1.0))
        await top.press("x")
        assert {top.cells(1)[0], top.cells(1)[-1]} != {"7.00000 7.50000"}, "the widget has the rows in view only"
        await top.press("end")
        assert top.cells(1)[-1] == top.cells(1)[0]

    run(trial, size=(80, 16))
