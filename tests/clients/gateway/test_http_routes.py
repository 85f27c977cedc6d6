"""The response to each request: files, probes, logins, and what a role may read."""

import json
import os

import pytest
from healthy_stats import feed, stats, verdict
from websockets.datastructures import Headers
from websockets.http11 import Request

from hulak.bus.process.settings import FeedSettings, GatewaySettings, Settings
from hulak.clients.gateway.access import Peer, access_of
from hulak.clients.gateway.health import GatewayHealth
from hulak.clients.gateway.http_routes import HttpRoutes
from hulak.clients.gateway.logins import Logins
from hulak.clients.gateway.static_files import StaticFiles
from hulak.clients.gateway.tokens import Role, Tokens, make
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


OWNER, OTHER = Peer("127.0.0.1", os.geteuid()), Peer("127.0.0.1", 54321)
NOW, TIME = 1000.0, 1.8e9


class Served:
    """Routes with the arguments that the tests leave out."""

    def __init__(self, page, *, full=False, reasons=(), facts=None, tokens=None, **settings):
        secure = bool(settings.get("tls_cert"))
        access = access_of(GatewaySettings(**settings), Logins(b"k" * 32, 5570, secure), tokens or Tokens())
        self.wrong = []
        self.routes = HttpRoutes(
            access,
            StaticFiles(page),
            alive=lambda: list(reasons),
            verdict=lambda: verdict(facts or stats()),
            metrics=lambda accept: ("text/plain", b"x 1\n" + accept.encode()),
            is_full=lambda: full,
            on_wrong=self.wrong.append,
        )

    def ask(self, method, target, headers, peer=OWNER, now=NOW):
        """Return what becomes of a request."""
        return self.routes.process_request(Request(target, Headers(headers), method), peer, now, TIME)

    def answer(self, method, target, headers, peer=OWNER, now=NOW):
        """Return the response to a request."""
        return self.ask(method, target, headers, peer, now).response


routes = Served


def bearer(text):
    return {**HERE, "Authorization": f"Bearer {text}"}


def tokens(*roles):
    """Make a token for each role; returns what is kept, and the secrets."""
    kept, texts = Tokens(), []
    for role in roles:
        text, token = make(f"the-{role}", role, TIME)
        kept = kept.plus(token)
        texts.append(text)
    return kept, *texts


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


def test_probes(page):
    assert json.loads(routes(page).answer("GET", "/healthz", HERE).body) == {"status": "ok", "reasons": []}
    stuck = routes(page, reasons=["the loop is late"]).answer("GET", "/healthz", HERE)
    assert (stuck.status_code, json.loads(stuck.body)) == (503, {"status": "failing", "reasons": ["the loop is late"]})
    ready = routes(page).answer("GET", "/readyz", HERE)
    assert json.loads(ready.body) == {"status": "ok", "reasons": [], "level": "OK", "problems": [], "silent": []}
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


def test_monitoring_needs_a_role_but_for_the_status_of_the_probes(page):
    kept, metrics = tokens(Role.METRICS)
    served = routes(page, tokens=kept, facts=stats(journal={"state": "degraded", "why": "the disk is full"}))
    refusal = served.answer("GET", "/metrics", HERE, OTHER)
    assert (refusal.status_code, refusal.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert b"user 54321 does not own this gateway" in refusal.body
    assert served.answer("GET", "/metrics", bearer(metrics), OTHER).body == b"x 1\n"
    assert served.answer("GET", "/metrics", HERE, OWNER).body == b"x 1\n"
    for path, status, word in (("/healthz", 200, "ok"), ("/readyz", 503, "failing")):
        bare = served.answer("GET", path, HERE, OTHER)
        assert (bare.status_code, json.loads(bare.body)) == (status, {"status": word}), "for a load balancer: no reasons"
        assert "reasons" in json.loads(served.answer("GET", path, bearer(metrics), OTHER).body)


def test_a_token_in_a_url_is_no_token(page):
    kept, metrics = tokens(Role.METRICS)
    assert routes(page, tokens=kept).answer("GET", f"/metrics?token={metrics}", HERE, OTHER).status_code == 401


def test_a_socket_gets_the_grant_of_its_request(page):
    kept, view = tokens(Role.VIEW)
    served = routes(page, tokens=kept)
    assert served.ask("GET", "/ws", {**UPGRADE, "Authorization": f"Bearer {view}"}).grant.role is Role.VIEW
    assert served.ask("GET", "/ws", UPGRADE).grant.refusal == "a token is needed"
    assert routes(page).ask("GET", "/fx", UPGRADE).grant.role is Role.OPERATE


def test_a_login_exchanges_a_token_for_a_cookie_and_a_logout_removes_it(page):
    kept, view, metrics = tokens(Role.VIEW, Role.METRICS)
    served = routes(page, tokens=kept)
    answer = served.answer("POST", "/login", {**bearer(view), "Origin": "http://127.0.0.1:5570"}, OTHER)
    assert (answer.status_code, json.loads(answer.body)) == (200, {"role": "view"})
    cookie = answer.headers["Set-Cookie"]
    assert view not in cookie
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))
    assert served.ask("GET", "/ws", {**UPGRADE, "Cookie": cookie.partition(";")[0]}, OTHER).grant.role is Role.VIEW
    assert json.loads(served.answer("POST", "/login", bearer(metrics), OTHER).body) == {"role": "metrics"}
    gone = served.answer("POST", "/logout", HERE, OTHER)
    assert (gone.status_code, "Max-Age=0" in gone.headers["Set-Cookie"]) == (204, True)


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("GET", HERE, 405),
        ("POST", HERE, 401),
        ("POST", bearer("hulak_wrong"), 401),
        ("POST", {**HERE, "Origin": "https://evil.example"}, 403),
        ("POST", {"Host": "evil.example"}, 421),
    ],
)
def test_a_login_without_a_right_token_or_from_elsewhere_is_refused(page, method, headers, status):
    kept, _ = tokens(Role.VIEW)
    answer = routes(page, tokens=kept).answer(method, "/login", headers)
    assert (answer.status_code, "Set-Cookie" in answer.headers) == (status, False)


def test_wrong_tokens_of_an_address_are_answered_at_a_rate_and_right_ones_always(page):
    kept, view = tokens(Role.VIEW)
    served = routes(page, tokens=kept)
    statuses = [served.answer("POST", "/login", bearer(f"wrong{at}")).status_code for at in range(14)]
    assert statuses == [401] * 11 + [429] * 3
    assert int(served.answer("POST", "/login", bearer("wrong")).headers["Retry-After"]) > 0
    assert served.answer("GET", "/ws", {**UPGRADE, "Authorization": "Bearer wrong"}).status_code == 429
    assert len(served.wrong) == 11, "each of these is logged"
    assert served.answer("POST", "/login", bearer(view)).status_code == 200, "others behind this address are not locked out"
    assert served.answer("POST", "/login", bearer("wrong"), Peer("192.0.2.1")).status_code == 401
    assert served.answer("POST", "/login", bearer("wrong"), now=NOW + 300).status_code == 401
    assert served.routes.refused == served.routes.wrong.total == 18


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


@pytest.mark.parametrize("header", ["Host", "Origin", "Authorization", "Cookie", "Upgrade", "If-None-Match"])
def test_a_repeated_header_is_a_bad_request(page, header):
    headers = Headers([("Host", "127.0.0.1:5570"), (header, "127.0.0.1"), (header, "127.0.0.1")])
    answer = routes(page).routes.process_request(Request("/", headers), OWNER, NOW, TIME).response
    assert (answer.status_code, answer.body) == (400, f"the header {header} must occur once\n".encode())


@pytest.mark.parametrize("header", ["Sec-WebSocket-Protocol", "X-Forwarded-For", "Via", "Forwarded", "Accept"])
def test_another_header_may_be_repeated(page, header):
    kept, view = tokens(Role.VIEW)
    headers = Headers([*UPGRADE.items(), ("Authorization", f"Bearer {view}"), (header, "hulak"), (header, "192.0.2.1")])
    for settings in ({}, {"behind_proxy": True}):
        served = routes(page, tokens=kept, **settings).routes
        assert served.process_request(Request("/ws", headers), OTHER, NOW, TIME).grant.role is Role.VIEW
    del headers["Authorization"]
    headers["Authorization"] = "Bearer x"
    served = routes(page, tokens=kept, behind_proxy=True)
    served.routes.process_request(Request("/ws", headers), OTHER, NOW, TIME)
    assert served.wrong == ["192.0.2.1" if header == "X-Forwarded-For" else "127.0.0.1"]


def test_an_invalid_path_is_refused(page):
    assert routes(page).answer("GET", "//[", HERE).status_code == 400


@pytest.mark.parametrize("age_s", ["abc", None, {}])
def test_the_probe_answers_despite_a_malformed_age(age_s):
    assert well(feed(state="connected", data_age_s=age_s)).verdict(10.1, ()).unready() == []
