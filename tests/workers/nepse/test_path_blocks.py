"""Refused paths: each is paused alone, longer each time; two of them mean the address. Plain numbers for time."""

import pytest

from hulak.bus.errors import TaskFailed
from hulak.workers.nepse.faults import HttpRequest, HttpResponse
from hulak.workers.nepse.path_blocks import LONGEST_PAUSE_S, PathBlocks, kind_of

REFUSED = HttpResponse(403, {"content-type": "text/html"}, b"<html><h1>403 Forbidden</h1>nginx</html>")
WELL = HttpResponse(200, {}, b"[]")


class Site:
    """Answers by path; counts the requests."""

    def __init__(self):
        self.now = 100.0
        self.answers = {}
        self.sent = []
        self.blocks = PathBlocks(self.fetch, lambda: self.now)

    def fetch(self, request):
        self.sent.append(request.path)
        return self.answers.get(kind_of(request.path), WELL)

    def get(self, path):
        return self.blocks(HttpRequest("GET", path, "secret-token"))

    def refusal(self, path):
        with pytest.raises(TaskFailed) as caught:
            self.get(path)
        assert caught.value.code == "BLOCKED"
        assert "secret-token" not in str(caught.value)
        return caught.value


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/api/nots/security/131", "/api/nots/security/{}"),
        ("/api/nots/security/floorsheet/131?size=500", "/api/nots/security/floorsheet/{}"),
        ("/api/nots/securityDailyTradeDto/business-date/2026-04-24", "/api/nots/securityDailyTradeDto/business-date/{}"),
        ("/api/nots/top-ten/top-gainer?all=true", "/api/nots/top-ten/top-gainer"),
    ],
)
def test_the_kind_of_a_path_leaves_out_query_ids_and_days(path, kind):
    assert kind_of(path) == kind


def test_a_refused_path_is_paused_and_the_others_go_on():
    site = Site()
    site.answers["/floorsheet/{}"] = REFUSED
    first = site.refusal("/floorsheet/131")
    assert (first.retryable, first.retry_after_s, first.cool_down_s) == (True, 5.0, None)
    site.now += 2.0
    assert site.refusal("/floorsheet/132").retry_after_s == 3.0
    assert site.get("/index") is WELL
    assert site.sent == ["/floorsheet/131", "/index"]


def test_a_passing_refusal_is_forgotten_with_the_next_answer():
    site = Site()
    site.answers["/index"] = REFUSED
    site.refusal("/index")
    site.answers.clear()
    site.now += 5.0
    assert site.get("/index") is WELL
    site.answers["/index"] = REFUSED
    assert site.refusal("/index").retryable


def test_a_path_refused_twice_in_a_row_is_final_and_its_pauses_grow_up_to_a_bound():
    site = Site()
    site.answers["/index"] = REFUSED
    site.refusal("/index")
    pauses = []
    for _ in range(9):
        site.now += LONGEST_PAUSE_S
        error = site.refusal("/index")
        assert (error.retryable, error.retry_after_s) == (False, None)
        before = len(site.sent)
        site.now += 1.0
        assert "in 9 s" in str(site.refusal("/index")) or len(pauses) > 0
        assert len(site.sent) == before
        pauses.append(site.blocks._pauses["/index"].pause_s)
    assert pauses == [10.0, 20.0, 40.0, 80.0, 160.0, 300.0, 300.0, 300.0, 300.0]


@pytest.mark.parametrize(("apart_s", "cool_down_s"), [(60.0, 5.0), (60.1, None)])
def test_two_refused_paths_within_a_minute_mean_the_address(apart_s, cool_down_s):
    site = Site()
    site.answers |= {"/index": REFUSED, "/summary": REFUSED}
    assert site.refusal("/index").cool_down_s is None
    site.now += apart_s
    assert site.refusal("/summary").cool_down_s == cool_down_s


def test_a_refused_path_of_the_session_means_the_address():
    site = Site()
    site.answers["/api/authenticate/prove"] = REFUSED
    assert site.refusal("/api/authenticate/prove").cool_down_s == 5.0


def test_a_403_that_is_no_page_of_the_proxy_is_returned():
    site = Site()
    site.answers["/index"] = HttpResponse(403, {"content-type": "application/json"}, b"{}")
    assert site.get("/index").status == 403
    assert site.get("/index").status == 403
