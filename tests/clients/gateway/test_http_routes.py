"""Access, the file of a path, and when the probes fail."""

import json

import pytest
from healthy_stats import feed, stats, verdict
from websockets.datastructures import Headers
from websockets.http11 import Request

from hulak.bus.process.settings import FeedSettings, GatewaySettings, Settings
from hulak.clients.gateway.access import access_of
from hulak.clients.gateway.health import GatewayHealth
from hulak.clients.gateway.http_routes import HttpRoutes
from hulak.clients.gateway.static_files import StaticFiles
from hulak.clients.judge.situations import Level

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


def routes(page, *, full=False, reasons=(), facts=None, **settings):
    probe = list(reasons)
    access = access_of(GatewaySettings(**settings))
    answers = {"alive": lambda: probe, "verdict": lambda: verdict(facts or stats()), "metrics": lambda: b"x 1\n"}
    return HttpRoutes(access, StaticFiles(page), **answers, is_full=lambda: full)


@pytest.mark.parametrize(
    ("target", "kind"),
    [
        ("/", "text/html; charset=utf-8"),
        ("/index.html?v=1", "text/html; charset=utf-8"),
        ("/parts/grid.js", "text/javascript; charset=utf-8"),
    ],
)
def test_files_come_with_their_type_and_a_strict_policy(page, target, kind):
    answer = routes(page).answer("GET", target, HERE)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == kind
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-cache"
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "connect-src 'self' ws://127.0.0.1:5570 wss://127.0.0.1:5570" in policy
    assert "unsafe" not in policy


def test_a_cached_file_is_not_sent_again_until_it_changes(page):
    served = routes(page)
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
    answer = routes(page).answer("GET", target, HERE)
    assert answer.status_code == 404
    assert b"secret" not in answer.body


def test_other_methods_and_hosts(page):
    served = routes(page)
    assert served.answer("POST", "/", HERE).status_code == 405
    head = served.answer("HEAD", "/", HERE)
    assert (head.status_code, head.body, head.headers["Content-Length"]) == (200, b"", "15")
    for host in ("evil.example:5570", "", "[::1", "127.0.0.1.evil.example"):
        assert served.answer("GET", "/", {"Host": host}).status_code == 421, "its name was made to resolve here"
    for host in ("localhost:5570", "[::1]:5570", "127.0.0.1"):
        assert served.answer("GET", "/", {"Host": host}).status_code == 200
    assert routes(page, origins="https://desk.example").answer("GET", "/", {"Host": "desk.example"}).status_code == 200


def test_sockets(page):
    assert routes(page).answer("GET", "/ws", UPGRADE) is None
    assert routes(page).answer("GET", "/fx?x=1", UPGRADE) is None
    assert routes(page).answer("GET", "/ws", HERE).status_code == 426
    assert routes(page, full=True).answer("GET", "/ws", UPGRADE).status_code == 503
    assert routes(page).answer("GET", "/ws", {**UPGRADE, "Host": "evil.example"}).status_code == 421


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
    assert access.has_token("/ws?token=s3cret", {})
    assert access.has_token("/ws", {"Authorization": "Bearer s3cret"})
    for target, header in (
        ("/ws", ""),
        ("/ws?token=", ""),
        ("/ws?token=s3cre", ""),
        ("/ws", "Basic s3cret"),
        ("/ws", "Bearer é"),
    ):
        assert not access.has_token(target, {"Authorization": header})
    assert access_of(GatewaySettings()).has_token("/ws", {})
    assert routes(page, token="s3cret").answer("GET", "/metrics", HERE).status_code == 401
    assert routes(page, token="s3cret").answer("GET", "/metrics?token=s3cret", HERE).body == b"x 1\n"
    assert routes(page, token="s3cret").answer("GET", "/healthz", HERE).status_code == 200, "a service manager needs no token"


def test_probes(page):
    assert json.loads(routes(page).answer("GET", "/healthz", HERE).body) == {"status": "ok", "reasons": []}
    stuck = routes(page, reasons=["the loop is late"]).answer("GET", "/healthz", HERE)
    assert (stuck.status_code, json.loads(stuck.body)) == (503, {"status": "failing", "reasons": ["the loop is late"]})
    ready = routes(page).answer("GET", "/readyz", HERE)
    assert json.loads(ready.body) == {"status": "ok", "reasons": [], "level": "OK", "problems": []}
    failing = routes(page, facts=stats(journal={"state": "degraded", "why": "the disk is full"})).answer("GET", "/readyz", HERE)
    assert failing.status_code == 503
    report = json.loads(failing.body)
    assert (report["status"], report["reasons"], report["level"]) == (
        "failing",
        ["journal is degraded: the disk is full"],
        "CRITICAL",
    )
    assert [problem["what"] for problem in report["problems"]] == ["journal_degraded"]
    slow = routes(page, facts=stats(tasks__queued=60)).answer("GET", "/readyz", HERE)
    assert (slow.status_code, len(json.loads(slow.body)["problems"])) == (200, 1), "reported, and served all the same"


def well(stats, **feed):
    health = GatewayHealth(0.0, Settings(feed=FeedSettings(**feed)))
    health.take_stats(stats, 10.0)
    health.turn(10.0, 0.001)
    return health


def test_ready_is_the_judges_verdict_on_the_newest_statistics():
    assert well(stats()).verdict(10.1, ()).unready() == []
    assert well(stats(processes=[])).verdict(10.1, ()).unready() == [], "no feed is named"
    assert well(stats(processes=[]), url="ws://x").verdict(10.1, ()).unready() == ["0 of 1 feeds report"]
    aged = feed(state="connected", data_age_s=61.0)
    assert well(aged).verdict(10.1, ()).unready() == ["feed binance is connected, newest quote 61 s old"]
    assert well(aged, stale_s=90).verdict(10.1, ()).unready() == [], "as old as [feed] stale_s allows"
    assert well(stats()).verdict(16.0, ()).unready() == ["no statistics from the broker for 6 s"]
    failed = {"name": "gateway", "group": "gateway", "state": "fatal", "pid": 0, "uptime_s": 0, "started": True}
    assert [finding.what for finding in well(stats()).verdict(10.1, [failed]).findings] == ["process_failed"]


def test_alive_means_a_turning_loop_with_or_without_a_broker():
    health = GatewayHealth(0.0, Settings())
    health.turn(4.0, 0.0)
    assert health.alive(4.5) == []
    assert health.verdict(4.5, ()).unready() == ["no statistics from the broker yet"]
    assert health.verdict(4.5, ()).level is Level.WARNING, "it has some seconds to be there"
    assert health.verdict(40.0, ()).level is Level.CRITICAL
    health = well(stats())
    health.turn(60.0, 0.0)
    assert health.alive(60.1) == [], "a restart of the gateway would not help"
    assert not health.is_broker_up(60.1)
    late = well(stats())
    late.turn(10.0, 2.5)
    (why,) = late.alive(10.1)
    assert "2.5 s late" in why
    stuck = well(stats())
    assert any("late" in item for item in stuck.alive(13.0))


@pytest.mark.parametrize("header", ["Host", "Origin", "Authorization", "Upgrade", "If-None-Match"])
def test_a_repeated_header_is_a_bad_request(page, header):
    headers = Headers([("Host", "127.0.0.1:5570"), (header, "127.0.0.1"), (header, "127.0.0.1")])
    answer = routes(page).process_request(None, Request("/", headers))
    assert (answer.status_code, answer.body) == (400, f"the header {header} must occur once\n".encode())


def test_an_invalid_path_or_origin_is_refused(page):
    assert routes(page).answer("GET", "//[", HERE).status_code == 400
    assert not access_of(GatewaySettings()).origin({**HERE, "Origin": "http://["})


@pytest.mark.parametrize("age_s", ["abc", None, {}])
def test_the_probe_answers_despite_a_malformed_age(age_s):
    assert well(feed(state="connected", data_age_s=age_s)).verdict(10.1, ()).unready() == []
