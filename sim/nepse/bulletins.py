"""Resources of the simulated exchange beside prices: documents, members, sectors, past sessions.

Summary history, corporate actions and dividends have publicly recorded shapes; others have the keys that public clients read, and
what no client reads is invented, and small.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import date
from typing import Any

from hulak.sim.nepse.exchange import Exchange, nepal_date, past_sessions, previous_session
from hulak.sim.nepse.files import logo_of
from hulak.sim.nepse.listing import SECTORS, Company
from hulak.sim.nepse.pages import Rows, natural
from hulak.sim.nepse.securities import past_quantity, past_trades
from hulak.sim.nepse.session_totals import SessionTotals

MEMBERS = 92
FIRST_YEAR = 2020  # of the lists of holidays
WITHOUT_INDEX = ("Corporate Debentures", "Preferred Stock", "Promotor Share")  # sectors beside those of SECTORS
NEPALI_DIGITS = {ord("0") + digit: chr(0x966 + digit) for digit in range(10)}


class Bulletins:
    """Resources beside prices and trades.

    Args:
        exchange: the exchange with the companies.
    """

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._totals = SessionTotals(exchange)

    def summary_history(self, now_s: float) -> Rows:
        """market-summary-history: one row per session of the last year, newest first."""
        return self._totals.rows(now_s)

    def market_caps(self, query: Mapping[str, str], now_s: float) -> Rows:
        """marcapbydate: one row per session, in million rupees; one of them if `date` is given, as 2026/04/24."""
        wanted = query.get("date", "").replace("/", "-")
        rows = []
        for day in self._sessions(now_s):
            if wanted in {"", day.isoformat()}:
                closes = self._exchange.closes_on(day)
                worth = sum(closes[company.id] * company.shares for company in self._exchange.companies) / 1e6
                shares = {"marCap": 1.0, "senMarCap": 0.5, "floatMarCap": 0.35, "senFloatMarCap": 0.2}
                values = {key: round(worth * share, 2) for key, share in shares.items()}
                rows.append({"businessDate": day.isoformat(), **values})
        return rows

    def averages(self, query: Mapping[str, str], now_s: float) -> Rows:
        """trading-average: over the `nDays` sessions before now, or until `businessDate`; of one security with `stockId`."""
        until, wanted = query.get("businessDate") or "9", query.get("stockId", "")
        days = [day for day in past_sessions(self._exchange.session_day(now_s)) if day.isoformat() <= until]
        days = days[: max(1, natural(query.get("nDays"), 120))]
        companies = [company for company in self._exchange.companies if wanted in {"", str(company.id)}]
        return [self._average(company, days) for company in companies] if days else []

    def _average(self, company: Company, days: list[date]) -> dict[str, Any]:
        traded = [(self._exchange.closes_on(day)[company.id], past_quantity(company, day)) for day in days]
        shares, amount = sum(quantity for _, quantity in traded), sum(close * quantity for close, quantity in traded)
        return {
            "securityId": company.id,
            "symbol": company.symbol,
            "securityName": company.name,
            "closingPriceAverage": round(sum(close for close, _ in traded) / len(traded), 2),
            "totalTradedAmount": round(amount, 2),
            "totalTradedShares": shares,
            "totalTrades": sum(past_trades(quantity) for _, quantity in traded),
            "weightedAverage": round(amount / shares, 2),
            "closePrice": traded[0][0],
            "closingDate": days[0].isoformat(),
        }

    def sectorwise(self) -> Rows:
        """sectorwise: zeros and 1970, as in the original."""
        zeros = {"turnOverValues": 0.0, "turnOverVolume": 0, "totalTransaction": 0}
        return [{"businessDate": "1970-01-01", "sectorName": sector, **zeros} for sector in (*SECTORS, *WITHOUT_INDEX)]

    def sectors(self) -> dict[str, Rows]:
        """sector: all sectors."""
        rows = [
            {"id": index_id - 14, "sectorDescription": sector, "activeStatus": "A", "regulatoryBody": regulator}
            for sector, (regulator, index_id, _) in SECTORS.items()
        ]
        return {"sectors": rows}

    def members(self) -> Rows:
        """member: all brokers."""
        return [_member(number) for number in range(1, MEMBERS + 1)]

    def officers(self) -> Rows:
        """web/info-officer: the officers; no answer was recorded."""
        return [
            {
                "id": number,
                "name": f"Officer {number}",
                "designation": "Information Officer",
                "email": f"info{number}@nepse.example",
            }
            for number in (1, 2)
        ]

    def securities_plain(self) -> Rows:
        """securities: a list with null symbols, as in the original."""
        return [
            {"securityId": company.id, "securitySymbol": None, "securityName": company.name}
            for company in self._exchange.companies
        ]

    def day_trades(self, text: str) -> Rows | None:
        """securityDailyTradeDto/business-date: one row per company; None for a malformed date."""
        try:
            day = date.fromisoformat(text)
        except ValueError:
            return None
        before = previous_session(day)
        return [
            {
                "businessDate": day.isoformat(),
                "securityId": company.id,
                "symbol": company.symbol,
                "closePrice": self._exchange.close_of(company, day),
                "previousClose": self._exchange.close_of(company, before),
            }
            for company in self._exchange.companies
        ]

    def profile(self, security_id: int) -> dict[str, Any] | None:
        """security/profile: None for an unlisted id, as in the methods below."""
        company = self._exchange.by_id.get(security_id)
        if company is None:
            return None
        return {
            "companyName": company.name,
            "companyProfile": f"{company.name} is a made-up company.",
            "logoFilePath": logo_of(company.symbol),
        }

    def board(self, security_id: int) -> Rows | None:
        """security/boardOfDirectors."""
        names = ("Chairperson", "Director", "Director")
        return self._documents(security_id, lambda _, at: {"name": f"Person {at}", "designation": names[at - 1]})

    def actions(self, security_id: int) -> Rows | None:
        """security/corporate-actions."""
        return self._documents(
            security_id,
            lambda company, at: {
                "activeStatus": "BONUS_APPROVED",
                "authorizationComments": None,
                "submittedDate": f"20{20 + at}-01-01T16:00:00",
                "filePath": "",
                "documentId": at,
                "ratioNum": 10_000 * at,
                "ratioDen": 1_000_000,
                "cashDividend": None,
                "fiscalYear": f"{2076 + at}-{2077 + at}",
                "rightAmountPerShare": None,
                "bonusPercentage": float(at),
                "rightPercentage": None,
                "sdId": company.id * 10 + at,
            },
        )

    def applications(self, kind: str, security_id: int) -> Rows | None:
        """application/reports, agm, dividend or company-news, which have the same outer shape."""
        return self._documents(security_id, lambda company, at: _application(kind, company, at))

    def holiday_years(self, now_s: float) -> list[int]:
        """holiday/year: plain numbers."""
        return list(range(FIRST_YEAR, nepal_date(now_s).year + 1))

    def _documents(self, security_id: int, make: Callable[[Company, int], dict[str, Any]]) -> Rows | None:
        company = self._exchange.by_id.get(security_id)
        return None if company is None else [make(company, at) for at in range(1, 4)]

    def _sessions(self, now_s: float) -> Iterator[date]:
        day = self._exchange.session_day(now_s)
        yield day
        yield from past_sessions(day)[:-1]


def _member(number: int) -> dict[str, Any]:
    name, province = f"Broker {number} Private Limited", number % 7 + 1
    return {
        "id": 100 + number,
        "activeStatus": "A",
        "memberCode": number,
        "memberName": name,
        "isDealer": "N",
        "membershipTypeMaster": {"id": 1, "membershipType": "Stock Broker"},
        "authorizedContactPerson": f"Person {number}",
        "authorizedContactPersonNumber": f"98510{number:05d}",
        "provinceList": [{"id": province, "name": str(province), "description": f"Province {province}", "status": "A"}],
        "districtList": [{"id": number, "districtName": f"District {number}", "status": "A", "provinceId": province}],
        "municipalities": [{"id": number, "municipalityName": f"Town {number}", "status": "A", "districtId": number}],
        "memberBranchMappings": [{"id": number, "activeStatus": "A", "branchName": f"Branch of {name}"}],
        "memberTMSLinkMapping": {"id": number, "activeStatus": "A", "tmsLink": f"https://tms{number:02d}.nepse.example"},
    }


def _application(kind: str, company: Company, at: int) -> dict[str, Any]:
    year_name = f"{2079 + at}-{2080 + at}"
    year = {"id": at, "fyName": year_name, "fyNameNepali": year_name.translate(NEPALI_DIGITS), "activeStatus": "A"}
    report = {
        "id": company.id * 100 + at,
        "peValue": 20.5 + at,
        "epsValue": 18.0 + at,
        "netWorthPerShare": 150.0 + at,
        "remarks": None,
        "reportTypeMaster": {"id": 1, "reportName": "Quarterly Report", "activeStatus": "A"},
        "quarterMaster": {"id": at, "quarterName": ("First Quarter", "Second Quarter", "Third Quarter")[at - 1]},
        "financialYear": year,
    }
    dividend = {
        "id": company.id * 100 + at,
        "financialYear": year,
        "cashDividend": 5.0 + at,
        "bonusShare": 2.5,
        "rightShare": 0.0,
    }
    news = {
        "id": company.id * 100 + at,
        "newsSource": "Letter",
        "newsType": kind,
        "newsHeadline": f"{kind} {at} - {company.name} [{company.symbol}]",
        "security": {"id": company.id, "symbol": company.symbol, "isin": f"NPE{company.id:06d}SIM"},
    }
    name = f"{company.symbol.lower()}-{kind}-{at}"
    document = {"id": at, "filePath": f"{name}.pdf", "encryptedId": name, "submittedDate": f"202{at}-12-07"}
    return {
        "id": company.id * 10 + at,
        "activeStatus": "A",
        "modifiedDate": f"202{at}-12-07T09:20:48.573",
        "applicationType": 39,
        "applicationStatus": 3,
        "applicationDocumentDetailsList": [document],
        "fiscalReport": report if kind == "reports" else None,
        "companyNews": news | ({"dividendsNotice": dividend} if kind == "dividend" else {}),
    }
