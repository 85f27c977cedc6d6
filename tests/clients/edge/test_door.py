"""Who is let in, which file a path means, and when the probes fail."""

import json

import pytest
from websockets.datastructures import Headers
from websockets.http11 import Request

from bus.settings import GatewaySettings
from clients.edge.access import access_of
from clients.edge.door import Door
from clients.edge.health import Health
from clients.edge.static import Files

HERE = {"Host": "127.0.0.1:5570"}
UPGRADE = {**HERE, "Upgrade": "websocket"}


@pytest.fixture
def page(tmp_path):
    root = tmp_path / "web"
    (root / "parts").mkdir(parents=True)
    (root / "index.html").write_text("<!doctype html>")
    (root / "parts" / "grid.js").write_text("export {}")
    (root / ".hidden.js").write_text("secret")
    (root / "notes.py").write_text("secret")
    (tmp_path / "outside.js").write_text("secret")
    (root / "link.js").symlink_to(tmp_path / "outside.js")
    return root


def door(page, *, full=False, reasons=(), **settings):
    probe = list(reasons)
    access = access_of(GatewaySettings(**settings))
    return Door(access, Files(page), alive=lambda: probe, ready=lambda: probe, metrics=lambda: b"x 1\n", is_full=lambda: full)


@pytest.mark.parametrize(
    ("target", "kind"),
    [
        ("/", "text/html; charset=utf-8"),
        ("/index.html?v=1", "text/html; charset=utf-8"),
        ("/parts/grid.js", "text/javascript; charset=utf-8"),
    ],
)
def test_files_come_with_their_type_and_a_strict_policy(page, target, kind):
    answer = door(page).answer("GET", target, HERE)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == kind
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-cache"
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "connect-src 'self' ws://127.0.0.1:5570 wss://127.0.0.1:5570" in policy
    assert "unsafe" not in policy


def test_a_file_that_is_known_is_not_sent_again_until_it_changes(page):
    served = door(page)
    etag = served.answer("GET", "/", HERE).headers["ETag"]
    again = served.answer("GET", "/", {**HERE, "If-None-Match": f"W/{etag}"})
    assert (again.status_code, again.body) == (304, b"")
    (page / "index.html").write_text("<!doctype html><p>new")
    assert served.answer("GET", "/", {**HERE, "If-None-Match": etag}).body == b"<!doctype html><p>new"


@pytest.mark.parametrize(
    "target",
    [
        "/../outside.js",
        "/parts/../../outside.js",
        "/%2e%2e/outside.js",
        "//outside.js",
        "/.hidden.js",
        "/link.js",
        "/notes.py",
        "/parts",
        "/parts/",
        "/nothing.js",
        "/index.html\0.js",
        "/parts\\grid.js",
    ],
)
def test_nothing_else_is_served(page, target):
    answer = door(page).answer("GET", target, HERE)
    assert answer.status_code == 404
    assert b"secret" not in answer.body


def test_other_methods_and_hosts(page):
    served = door(page)
    assert served.answer("POST", "/", HERE).status_code == 405
    head = served.answer("HEAD", "/", HERE)
    assert (head.status_code, head.body, head.headers["Content-Length"]) == (200, b"", "15")
    for host in ("evil.example:5570", "", "[::1", "127.0.0.1.evil.example"):
        assert served.answer("GET", "/", {"Host": host}).status_code == 421, "its name was made to point here"
    for host in ("localhost:5570", "[::1]:5570", "127.0.0.1"):
        assert served.answer("GET", "/", {"Host": host}).status_code == 200
    assert door(page, origins="https://desk.example").answer("GET", "/", {"Host": "desk.example"}).status_code == 200


def test_sockets(page):
    assert door(page).answer("GET", "/ws", UPGRADE) is None
    assert door(page).answer("GET", "/fx?x=1", UPGRADE) is None
    assert door(page).answer("GET", "/ws", HERE).status_code == 426
    assert door(page, full=True).answer("GET", "/ws", UPGRADE).status_code == 503
    assert door(page).answer("GET", "/ws", {**UPGRADE, "Host": "evil.example"}).status_code == 421


@pytest.mark.parametrize(
    ("origin", "let_in"),
    [
        ("", True),
        ("http://127.0.0.1:5570", True),
        ("https://desk.example", True),
        ("HTTPS://DESK.example", True),
        ("http://127.0.0.1:5571", False),
        ("http://desk.example", False),
        ("https://desk.example.evil", False),
        ("null", False),
        ("file://127.0.0.1:5570", False),
    ],
)
def test_origins(origin, let_in):
    access = access_of(GatewaySettings(origins="https://desk.example,https://other.example"))
    assert access.origin({**HERE, "Origin": origin}) is let_in


def test_tokens(page):
    access = access_of(GatewaySettings(token="s3cret"))
    assert access.knows_token("/ws?token=s3cret", {})
    assert access.knows_token("/ws", {"Authorization": "Bearer s3cret"})
    for target, header in (
        ("/ws", ""),
        ("/ws?token=", ""),
        ("/ws?token=s3cre", ""),
        ("/ws", "Basic s3cret"),
        ("/ws", "Bearer é"),
    ):
        assert not access.knows_token(target, {"Authorization": header})
    assert access_of(GatewaySettings()).knows_token("/ws", {})
    assert door(page, token="s3cret").answer("GET", "/metrics", HERE).status_code == 401
    assert door(page, token="s3cret").answer("GET", "/metrics?token=s3cret", HERE).body == b"x 1\n"
    assert door(page, token="s3cret").answer("GET", "/healthz", HERE).status_code == 200, "what restarts it needs no token"


def test_probes(page):
    assert json.loads(door(page).answer("GET", "/healthz", HERE).body) == {"status": "ok", "reasons": []}
    failing = door(page, reasons=["the disk is full"]).answer("GET", "/readyz", HERE)
    assert failing.status_code == 503
    assert json.loads(failing.body) == {"status": "failing", "reasons": ["the disk is full"]}


def stats(journal="live", **feed):
    feeds = [{"kind": "feed", "name": "f", "state": "connected", "data_age_s": 0.1, **feed}] if feed != {"none": True} else []
    return {"journal": {"state": journal, "why": "no space"}, "store": {"state": "live"}, "processes": feeds}


def well(told, *, wants_feed=True):
    health = Health(0.0, wants_feed, 60.0)
    health.take_stats(told, 10.0)
    health.turn(10.0, 0.001)
    return health


def test_ready_means_all_of_it():
    assert well(stats()).ready(10.1) == []
    assert well(stats(none=True), wants_feed=False).ready(10.1) == []
    (why,) = well(stats(none=True)).ready(10.1)
    assert "none reports" in why
    (why,) = well(stats("degraded")).ready(10.1)
    assert why == "the journal is degraded: no space"
    (why,) = well(stats(state="backoff")).ready(10.1)
    assert why == "feed f is backoff"
    (why,) = well(stats(data_age_s=61.0)).ready(10.1)
    assert "no data for 61 s" in why
    assert well(stats(state=None, data_age_s=None)).ready(10.1) == [], "a replayed file has neither"


def test_alive_means_turning_and_hearing():
    health = Health(0.0, False, 60.0)
    health.turn(4.0, 0.0)
    assert health.alive(4.5) == [], "the broker has some seconds to be there"
    assert health.ready(4.5) == ["the broker has not been heard yet"]
    health.turn(6.0, 0.0)
    assert len(health.alive(6.1)) == 1
    health = well(stats())
    health.turn(15.5, 0.0)
    (why,) = health.alive(15.6)
    assert "last 5.6 s ago" in why
    late = well(stats())
    late.turn(10.0, 2.5)
    (why,) = late.alive(10.1)
    assert "2.5 s late" in why
    stuck = well(stats())
    assert any("late" in one for one in stuck.alive(13.0))


@pytest.mark.parametrize("header", ["Host", "Origin", "Authorization", "Upgrade", "If-None-Match"])
def test_a_header_that_is_there_twice_is_a_bad_request(page, header):
    headers = Headers([("Host", "127.0.0.1:5570"), (header, "127.0.0.1"), (header, "127.0.0.1")])
    answer = door(page).process_request(None, Request("/", headers))
    assert (answer.status_code, answer.body) == (400, f"the header {header} must be there once\n".encode())


def test_a_path_or_an_origin_that_cannot_be_read_is_refused(page):
    assert door(page).answer("GET", "//[", HERE).status_code == 400
    assert not access_of(GatewaySettings()).origin({**HERE, "Origin": "http://["})


@pytest.mark.parametrize("age_s", ["abc", None, {}])
def test_an_age_that_is_none_does_not_keep_the_probe_from_answering(age_s):
    stats = {"processes": [{"kind": "feed", "name": "f", "state": "connected", "data_age_s": age_s}]}
    assert Health(0.0, True, 60.0, stats, 1.0, 1.0).ready(1.0) == []
