"""`hulak layout` and `/api/v1/layouts` with a real broker, which keeps layouts over a restart."""

import http.client
import json

import pytest
from click.testing import CliRunner
from local_bus import LocalBus
from waiting import eventually

from hulak.clients.cli import cli

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]
WITHIN_S = 60
DOCUMENT = {"version": 1, "view": "table", "sort": "change", "pinned": ["EURUSD"]}


class Bus(LocalBus):
    def run(self, *words, given=None):
        """Run `hulak layout WORDS`; returns its exit code, what it printed, and its errors."""
        done = CliRunner().invoke(cli, ["layout", *map(str, words)], env=self.variables, input=given)
        return done.exit_code, done.stdout, done.stderr

    def json(self, *words, given=None):
        code, out, _ = self.run(*words, "--json", given=given)
        return code, json.loads(out)


@pytest.fixture
def bus():
    with Bus() as local_bus:
        local_bus.broker = local_bus.start_broker()
        yield local_bus


def test_layouts_are_put_listed_shown_exported_imported_and_removed_and_outlive_the_broker(bus, tmp_path):
    file, all_ = tmp_path / "desk.json", tmp_path / "all.json"
    file.write_text(json.dumps(DOCUMENT))
    assert bus.run("put", "desk", file) == (0, "layout desk has version 1\n", "")
    assert bus.json("put", "नेप्से", "-", given=json.dumps({"version": 1, "view": "cards"}))[1]["version"] == 1
    code, _, err = bus.run("put", "desk", file, "--if-version", 0)
    assert (code, "has version 1 by" in err) == (1, True)
    assert [row["name"] for row in bus.json("ls")[1]] == ["desk", "नेप्से"]
    assert [row["name"] for row in bus.json("ls", "--view", "cards")[1]] == ["नेप्से"]
    assert "change" in bus.run("show", "desk")[1]
    bus.broker.terminate()
    bus.broker.wait(WITHIN_S)
    bus.broker = bus.start_broker()
    assert bus.json("show", "desk")[1]["document"] == DOCUMENT
    code, _, err = bus.run("show", "dask")
    assert (code, "did you mean 'desk'?" in err) == (1, True)
    assert bus.run("export", "--output", all_)[0] == 0
    assert json.loads(all_.read_text())["layouts"]["desk"] == DOCUMENT
    assert json.loads(bus.run("export", "desk")[1]) == {"layouts": {"desk": DOCUMENT}}
    assert bus.run("rm", "desk")[:2] == (0, "removed desk\n")
    code, answer = bus.json("import", all_)
    assert (code, answer["put"], list(answer["refused"])) == (1, ["desk"], ["नेप्से"])
    assert bus.json("import", all_, "--replace") == (0, {"put": ["desk", "नेप्से"], "refused": {}})
    assert bus.json("show", "desk")[1]["version"] == 3, "1 was removed, 2 imported, 3 replaces it"


def test_odd_files_are_refused_with_what_is_wrong(bus, tmp_path):
    file = tmp_path / "x.json"
    for content, words, why in (
        ("{", ("put", "a"), "is no JSON"),
        ("[]", ("put", "a"), "must be a JSON object"),
        ("[" * 100_000, ("put", "a"), "is no JSON"),
        ('{"version": 1}', ("put", "a"), "argument document has view None"),
        ('{"version": 1, "view": "table"}', ("put", "a/b"), "NAME is"),
        ("{}", ("import",), "must be a map of names and layouts"),
    ):
        file.write_text(content)
        code, _, err = bus.run(*words, file)
        assert code != 0
        assert why in err
    file.write_text(json.dumps({"layouts": {"good": DOCUMENT, "bad": 7, "": DOCUMENT}}))
    code, answer = bus.json("import", file)
    assert (code, answer["put"], sorted(answer["refused"])) == (1, ["good"], ["", "bad"])
    assert bus.run("put", "a", tmp_path / "none.json")[0] != 0


def test_the_http_interface_has_layouts(bus):
    gateway = bus.hulak("gateway")
    eventually(lambda: "gateway started" in gateway.log.read_text(), within_s=WITHIN_S)
    connection = http.client.HTTPConnection("127.0.0.1", bus.settings.gateway.port, timeout=WITHIN_S)

    def ask(method, path, body=None):
        sent = None if body is None else json.dumps(body)
        connection.request(method, f"/api/v1/layouts{path}", sent, {} if body is None else {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())

    assert ask("GET", "/desk")[0] == 404
    status, row = ask("PUT", "/FX%20majors", {"document": DOCUMENT, "if_version": 0})
    assert (status, row["name"], row["by"]) == (200, "FX majors", "gateway")
    status, problem = ask("PUT", "/FX%20majors", {"document": DOCUMENT, "if_version": 0})
    assert (status, problem["code"]) == (409, "OTHER_VERSION")
    assert ask("GET", "?view=table")[1]["layouts"][0]["version"] == 1
    assert ask("GET", "/FX%20majors")[1]["document"] == DOCUMENT
    assert ask("DELETE", "/FX%20majors?if_version=1")[0] == 200
    assert ask("PUT", "/x", {"document": {"version": 1}})[0] == 400
