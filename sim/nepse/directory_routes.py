"""The routes of directories and files; see `routes`."""

import base64
import re
from collections.abc import Callable
from datetime import date
from typing import Any
from urllib.parse import unquote

from hulak.sim.nepse.bulletins import Bulletins
from hulak.sim.nepse.directories import Directories
from hulak.sim.nepse.exchange import Exchange, nepal_date
from hulak.sim.nepse.files import Document, encrypted_id, logo_of, pdf, png, table
from hulak.sim.nepse.news import ALERTS, News
from hulak.sim.nepse.pages import Rows, between, page_of
from hulak.sim.nepse.plain import EMPTY
from hulak.sim.nepse.routes import Call, Route
from hulak.sim.nepse.securities import Securities

NUMBER = r"/(?P<number>\d{1,9})"


def directory_routes(exchange: Exchange) -> tuple[Route, ...]:
    """Return the rows of an exchange."""
    directories = Directories(exchange, Bulletins(exchange))
    return (*_directories(directories), *_files(exchange, News(exchange), Securities(exchange)))


def _get(path: str, resource: Callable[[Call], Any], api: str = "nots") -> Route:
    return Route("GET", re.compile(f"/api/{api}{path}/?"), None, resource)


def _post(path: str, resource: Callable[[Call], Any]) -> Route:
    return Route("POST", re.compile(f"/api/nots{path}/?"), None, resource)


def _directories(directories: Directories) -> tuple[Route, ...]:
    def reports(call: Call) -> Any:
        rows = directories.reports(call.number, call.now_s)
        return None if rows is None else page_of(rows, call.query)

    return (
        _get("/company", lambda call: directories.company_directory(call.query)),
        _get("/company/margin-list", lambda _: directories.margin_list()),
        _get("/company/debentureAndBond", lambda call: directories.bonds(call.query)),
        _get("/security/promoters", lambda call: page_of(directories.promoters(), call.query)),
        _get("/security/shareGroup", lambda _: directories.share_groups()),
        _get("/security/classification", lambda call: page_of(directories.classification(call.query), call.query)),
        _get(f"/security/classification{NUMBER}", lambda call: directories.classification_of(call.number)),
        _get(f"/market/security{NUMBER}", lambda call: directories.listing(call.number, call.now_s)),
        _get(f"/security-detail{NUMBER}", lambda call: directories.quote(call.number, call.now_s)),
        _get("/member/dealer", lambda call: page_of(directories.dealers({}), call.query)),
        _post("/member/dealer", lambda call: page_of(directories.dealers(call.body), call.query)),
        _post("/member", lambda call: page_of(directories.members(call.body), call.query)),
        _get("/report/report-types", lambda _: directories.report_types()),
        _get(f"/report/reportByCategory{NUMBER}", reports, "web"),
        _get("/trades-report", lambda call: directories.margin_trades(call.query), "margin"),
        _get("/news/media/investor-awareness", lambda call: directories.investor_awareness(call.now_s)),
    )


def _files(exchange: Exchange, news: News, securities: Securities) -> tuple[Route, ...]:
    def notice(call: Call) -> Document | None:
        names = {row["noticeFilePath"] for row in news.notices(call.now_s)}
        name = unquote(call.word)
        return pdf(f"Notice {name}") if name in names else None

    def application(call: Call) -> Document | None:
        day = nepal_date(call.now_s).toordinal()
        numbers = {encrypted_id(day - back): day - back for back in range(ALERTS)}
        number = numbers.get(call.query.get("encryptedId", ""))
        return None if number is None else pdf(f"Document {number}")

    def security_file(call: Call) -> Document | None:
        places = {logo_of(company.symbol): company.id for company in exchange.companies}
        number = places.get(call.query.get("fileLocation", ""))
        return None if number is None else png(number)

    def image(call: Call) -> dict[str, str] | None:
        file = security_file(call)
        return None if file is None else {"content": base64.b64encode(file.body).decode().rstrip("=")}

    def price_export(call: Call) -> Any:
        rows = securities.history(call.number, call.now_s)
        company = exchange.by_id.get(call.number)
        if rows is None or company is None:
            return None
        named = {"securityId": company.id, "symbol": company.symbol, "securityName": company.name}
        return _table_or_empty([{**named, **row} for row in between(rows, call.query)])

    def day_export(call: Call) -> Any:
        day = _date(call.word)
        return None if day is None else _table_or_empty(_rows_of(securities, day, call.now_s))

    return (
        _get(r"/news/notice/fetchFiles/(?P<word>[^/]+)", notice),
        _get("/application/fetchFiles", application),
        _get("/security/fetchFiles", security_file),
        _get("/security/getImage", image),
        _get(f"/market/export{NUMBER}", price_export),
        _get(r"/market/export/todays-price/(?P<word>[0-9-]{10})", day_export),
    )


def _rows_of(securities: Securities, day: date, now_s: float) -> Rows:
    return securities.today_price({"businessDate": day.isoformat()}, now_s)


def _table_or_empty(rows: Rows) -> Any:
    return table(rows) if rows else EMPTY


def _date(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
