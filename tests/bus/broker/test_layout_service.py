"""The service of layouts around a real database: versions, bounds, and rows that cannot be read."""

import itertools
import sqlite3
import time

import pytest
from posted_task_fixture import COUNT, PostedTaskFixture
from request_arguments import serve

from hulak.bus.broker.layout_service import LayoutService
from hulak.bus.broker.storage import layout_rows
from hulak.bus.core.control_arguments import read
from hulak.bus.core.effects import Asker
from hulak.bus.core.layout_requests import MOST_BYTES, LayoutNameArguments, LayoutPutArguments
from hulak.bus.core.security.callers import Caller, Refusals
from hulak.bus.errors import ProtocolError
from hulak.bus.wire.messages import Reply
from hulak.bus.wire.roles import Rights, parse_roles

DOCUMENT = {"version": 1, "view": "table", "columns": ["last"], "pinned": ["EURUSD"], "descending": True}


class Fixture(PostedTaskFixture):
    def __init__(self, folder):
        super().__init__(folder)
        self.layouts, self.caller = LayoutService(), None

    def ask(self, control, request_id=None, **args):
        asker = Asker(b"c", request_id or b"%016d" % next(COUNT), caller=self.caller)
        before = len(self.answers_to(asker.request))
        try:
            self.carry_out(serve(f"hulak.layout.{control}", asker, time.monotonic(), args, layouts=self.layouts))
        except ProtocolError as error:
            self.carry_out([asker.refuse(error)])
        self.until(lambda: len(self.answers_to(asker.request)) > before)
        message = self.answers_to(asker.request)[-1]
        self.text, self.details = getattr(message, "text", ""), getattr(message, "details", None)
        return message.value if isinstance(message, Reply) else message.code

    def keep(self, name="desk", document=DOCUMENT, **args):
        return self.ask("put", name=name, document=document, **args)


@pytest.fixture
def fixture(tmp_path):
    fixture = Fixture(tmp_path)
    yield fixture
    fixture.close()


def test_a_layout_is_kept_with_its_version_author_and_time(fixture):
    before = time.time_ns()
    row = fixture.keep(by="ada")
    assert (row["name"], row["view"], row["version"], row["by"]) == ("desk", "table", 1, "ada")
    assert before <= row["at_ns"] <= time.time_ns()
    assert fixture.keep(document={**DOCUMENT, "pinned": []}, by="bob")["version"] == 2
    shown = fixture.ask("show", name="desk")
    assert (shown["document"], shown["by"], shown["version"]) == ({**DOCUMENT, "pinned": []}, "bob", 2)
    assert fixture.ask("remove", name="desk")["version"] == 2
    assert fixture.ask("show", name="desk") == fixture.ask("remove", name="desk") == "UNKNOWN_LAYOUT"


def test_a_list_has_heads_of_a_view_and_nothing_for_a_client_that_has_them(fixture):
    fixture.keep("b")
    fixture.keep("a", {"version": 1, "view": "cards"})
    answer = fixture.ask("list")
    assert [row["name"] for row in answer["layouts"]] == ["a", "b"]
    assert all(set(row) == set(layout_rows.HEAD) for row in answer["layouts"])
    assert [row["name"] for row in fixture.ask("list", view="table")["layouts"]] == ["b"]
    assert fixture.ask("list", revision=answer["revision"])["layouts"] is None
    fixture.ask("remove", name="a")
    assert len(fixture.ask("list", revision=answer["revision"])["layouts"]) == 1


def test_a_change_of_another_version_is_refused(fixture):
    assert fixture.keep(if_version=1) == "OTHER_VERSION"
    assert fixture.keep(if_version=0, by="ada")["version"] == 1
    assert fixture.keep(if_version=0) == "OTHER_VERSION"
    assert (fixture.details, "by ada" in fixture.text) == ({"version": 1}, True)
    assert fixture.keep(if_version=1)["version"] == 2
    assert fixture.ask("remove", name="desk", if_version=1) == "OTHER_VERSION"
    assert fixture.ask("remove", name="desk", if_version=2)["version"] == 2


def test_a_repeated_request_changes_nothing(fixture):
    assert fixture.keep(request_id=b"r" * 16, if_version=0)["version"] == 1
    assert fixture.keep(request_id=b"r" * 16, if_version=0)["version"] == 1
    other = {**DOCUMENT, "columns": ["bid"]}
    for version in range(2, layout_rows.REQUESTS + 1):
        assert fixture.keep(document=other)["version"] == version
    assert fixture.keep(request_id=b"r" * 16)["version"] == layout_rows.REQUESTS
    assert fixture.ask("show", name="desk")["document"] == other, "a repeated put replaced what others had put since"


def test_a_new_layout_has_no_version_of_one_that_was_removed(fixture):
    for version in (1, 2, 3):
        assert fixture.keep(by="ada")["version"] == version
    fixture.ask("remove", name="desk")
    fixture.keep("other")
    fixture.ask("remove", name="other")
    assert fixture.keep(if_version=0, by="bob")["version"] == 5
    for known_to_ada in (1, 2, 3):
        assert fixture.keep(if_version=known_to_ada, by="ada") == "OTHER_VERSION"
    assert fixture.ask("show", name="desk")["by"] == "bob"


def test_the_author_is_the_key(fixture):
    rights = Rights(parse_roles(["control"]))
    fixture.caller = Caller("1", "alice", rights, Refusals(lambda *_: None, lambda: 0.0), "frontend", None)
    assert fixture.keep(by="another name")["by"] == "alice"


def test_the_number_of_layouts_is_bounded(fixture, monkeypatch):
    monkeypatch.setattr(layout_rows, "MOST", 2)
    fixture.keep("a")
    fixture.keep("b")
    assert fixture.keep("c") == "BUSY"
    assert fixture.keep("b")["version"] == 2
    fixture.ask("remove", name="a")
    assert fixture.keep("c")["name"] == "c"


def test_a_layout_that_cannot_be_read_is_named_and_can_be_put_again_and_removed(fixture, tmp_path):
    fixture.keep("a")
    fixture.keep("b")
    with sqlite3.connect(tmp_path / "tasks.db") as connection:
        connection.execute("UPDATE layouts SET document = ?", (b"\xc1",))
    assert fixture.ask("show", name="a") == "STORE_FAILED"
    assert "cannot be read" in fixture.text
    assert len(fixture.ask("list")["layouts"]) == 2
    assert fixture.keep("a")["version"] == 2
    assert fixture.ask("remove", name="b")["name"] == "b"


@pytest.mark.parametrize(
    "name", ["", " ", " a", "a ", "a/b", "a\\b", "a\nb", "a\x7f", ".", "..", "x" * 61, "a\u202eb", "a\u200bb", "a\n", "\u00ad"]
)
def test_names_of_equal_appearance_or_with_slashes_are_refused(name):
    with pytest.raises(ProtocolError, match="argument name is"):
        read(LayoutNameArguments, {"name": name})


@pytest.mark.parametrize("name", ["a", "FX majors", "नेप्से", "日本 (2)", "a.b", "%>1", "x" * 60])
def test_names_in_any_language_are_taken(name):
    assert read(LayoutNameArguments, {"name": name}).name == name


@pytest.mark.parametrize(
    ("document", "why"),
    [
        ({"view": "table"}, "has version None, must be"),
        ({"version": True, "view": "table"}, "has version True"),
        ({"version": 0, "view": "table"}, "has version 0"),
        ({"version": 1}, "has view None"),
        ({"version": 1, "view": "Table\n"}, "has view 'Table"),
        ({**DOCUMENT, "x": float("nan")}, "has nan, must hold finite numbers"),
        ({**DOCUMENT, "x": b"bytes"}, "has b'bytes'"),
        ({**DOCUMENT, "x": {1: 2}}, "has the key 1"),
        ({**DOCUMENT, "x": "y" * MOST_BYTES}, f"must have at most {MOST_BYTES}"),
        ("table", "must be a map"),
    ],
)
def test_documents_of_another_form_are_refused(document, why):
    with pytest.raises(ProtocolError, match=why) as caught:
        read(LayoutPutArguments, {"name": "n", "document": document})
    assert caught.value.code == "BAD_ARGUMENT"


def test_a_document_may_be_nested_but_not_without_end():
    deep = list(itertools.accumulate(range(40), lambda inner, _: {"x": inner}, initial=1))[-1]
    with pytest.raises(ProtocolError, match="nested deeper"):
        read(LayoutPutArguments, {"name": "n", "document": {**DOCUMENT, "x": deep}})
