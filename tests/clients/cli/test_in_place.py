"""Tables in place: the rows that fit, the keys, and the newest state of each display."""

import io

import pytest
from rich.console import Console

from hulak.clients.cli.displays import WATCH_COLUMNS, DisplayBoard
from hulak.clients.cli.in_place import InPlace, rendered
from hulak.clients.cli.listing import Column, Listing, Row
from hulak.clients.cli.scroll import Scroll

COLUMNS = (Column("topic", is_text=True), Column("last"), Column("number", 60))
LISTING = Listing(COLUMNS, tuple(Row(f"t{at:02}", (f"t{at:02}", f"{at}.5", str(at)), (at, at, at)) for at in range(30)))


def lines(drawn, width=80):
    console = Console(width=width, file=io.StringIO(), color_system=None)
    console.print(drawn)
    return console.file.getvalue().splitlines()


@pytest.mark.parametrize(("width", "height"), [(80, 24), (40, 10), (20, 3)])
def test_the_table_fits_the_terminal_and_counts_what_it_leaves_out(width, height):
    shown = lines(rendered(LISTING, Scroll(), width, height), width)
    assert len(shown) < height + (height == 3)
    assert max(map(len, shown)) <= width
    assert shown[0].split() == ["topic", "last", "number"][: 3 if width >= 60 else 2]
    assert shown[-1].startswith(f"and {30 - (len(shown) - 2)} more")


def test_arrows_scroll_at_once_and_q_ends_it():
    keys, drawn = [["end"], [], ["q"]], []
    table = InPlace(lambda now: LISTING, lambda wait_s: keys.pop(0), drawn.append, drawn=5.0)
    assert table.turn(5.01)
    assert len(drawn) == 1, "a key is answered before it is time to draw"
    assert "t29" in "\n".join(lines(drawn[0]))
    assert table.turn(5.02)
    assert len(drawn) == 1
    assert not table.turn(5.03)


def state(price, ticks, **more):
    values = {
        "display": "gold",
        "symbol": "XAUUSD",
        "digits": 2,
        "price": price,
        "ticks": ticks,
        "direction": "up",
        "volatility": 0.5,
    }
    return {**values, "high": price, "low": price, "received_ns": 5, "published_ns": 2_000_005, **more}


def test_a_display_has_its_change_since_the_first_state_and_the_rate_of_its_ticks():
    board = DisplayBoard()
    board.add(state(2000.0, 100), 10.0)
    board.add(state(2010.0, 150), 12.0)
    board.add(state(None, 0, display="new", received_ns=None), 12.0)
    listing = board.listing(12.0)
    columns, (gold, new) = listing.columns, listing.rows
    assert columns == WATCH_COLUMNS
    cells = dict(zip((column.name for column in columns), gold.cells, strict=True))
    assert (cells["price"], cells["change"], cells["rate"], cells["latency"]) == ("2010.00", "+0.500 %", "25.0/s", "2.0 ms")
    assert gold.styles == {2: "green"}
    assert (new.cells[2], new.cells[-3:]) == ("-", ("-", "-", "-"))
