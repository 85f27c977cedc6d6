"""Resources of the simulated exchange beside prices: documents, news, members, sectors, past sessions.

Summary history, disclosures, notices, corporate actions and dividends have publicly recorded shapes; for the others no public
recording exists, so that their shapes are invented, and small.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import date
from typing import Any

from hulak.sim.nepse.exchange import Exchange, nepal_date, nepal_text, previous_session
from hulak.sim.nepse.files import encrypted_id, logo_of
from hulak.sim.nepse.listing import SECTORS, Company
from hulak.sim.nepse.pages import Rows

SESSIONS_PER_YEAR = 240
MEMBERS = 90
TOPICS = ("Annual General Meeting", "Bonus Shares", "Right Shares", "Quarterly Report", "Book Close")


class Bulletins:
    """Resources beside prices and trades.

    Args:
        exchange: the exchange with the companies.
    """

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def summary_history(self, now_s: float) -> Rows:
        """market-summary-history: one row per session of the last year, newest first."""
        count = len(self._exchange.companies)
        return [
            {
                "businessDate": day.isoformat(),
                "totalTurnover": round(4e9 + 7919.37 * (day.toordinal() % 500_000), 2),
                "totalTradedShares": 9_000_000 + day.toordinal() % 4_000_000,
                "totalTransactions": 60_000 + day.toordinal() % 40_000,
                "tradedScrips": count - day.toordinal() % 5,
            }
            for day in self._sessions(now_s)
        ]

    def market_caps(self, now_s: float) -> Rows:
        """marcapbydate: one row per session."""
        worth = sum(company.first_price * company.shares for company in self._exchange.companies)
        return [
            {"businessDate": day.isoformat(), "marCap": round(worth / 1e6, 2), "sensitiveMarCap": round(worth / 2e6, 2)}
            for day in self._sessions(now_s)
        ]

    def averages(self, query: Mapping[str, str]) -> Rows:
        """trading-average: over `nDays`."""
        days = query.get("nDays", "120")
        return [
            {"securityId": company.id, "symbol": company.symbol, "nDays": days, "averageTradedPrice": company.first_price}
            for company in self._exchange.companies
        ]

    def sectorwise(self) -> Rows:
        """sectorwise: zeros and 1970, as in the original."""
        return [{"businessDate": "1970-01-01", "sectorName": sector, "turnOverValues": 0.0} for sector in SECTORS]

    def sectors(self) -> dict[str, Rows]:
        """sector: all sectors."""
        rows = [
            {"id": index_id - 14, "sectorDescription": sector, "activeStatus": "A", "regulatoryBody": regulator}
            for sector, (regulator, index_id, _) in SECTORS.items()
        ]
        return {"sectors": rows}

    def members(self) -> Rows:
        """member: all brokers."""
        return [
            {"id": number, "memberCode": str(number), "memberName": f"Broker {number} Private Limited", "activeStatus": "A"}
            for number in range(1, MEMBERS + 1)
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
        return self._documents(
            security_id,
            lambda company, at: {
                "id": company.id * 10 + at,
                "activeStatus": "A",
                "modifiedDate": f"202{at}-12-07T09:20:48.573",
                "applicationType": 39,
                "applicationStatus": 3,
                "fiscalReport": None,
                "companyNews": {
                    "id": company.id * 100 + at,
                    "newsSource": "Letter",
                    "newsType": kind,
                    "newsHeadline": f"{kind} {at} - {company.name} [{company.symbol}]",
                    "security": {"id": company.id, "symbol": company.symbol, "isin": f"NPE{company.id:06d}SIM"},
                },
            },
        )

    def disclosures(self, now_s: float) -> dict[str, Rows]:
        """news/companies/disclosure: the newest twenty of each kind."""
        messages, news = [], []
        for number, company, topic, at in self._events(now_s, 20):
            messages.append(
                {
                    "id": 200_000 + number,
                    "messageBody": f"<p>{topic} of {company.name} ({company.symbol})</p>",
                    "messageTitle": f"{topic} of {company.symbol}",
                    "encryptedId": encrypted_id(number) if number % 2 else None,
                    "expiryDate": at[:10],
                    "filePath": None,
                    "remarks": "5",
                    "addedDate": at,
                    "modifiedDate": at,
                    "approvedDate": None,
                },
            )
            news.append(
                {
                    "id": 40_000 + number,
                    "applicationDocumentDetailsList": [],
                    "newsHeadline": f"{topic} of {company.name} [{company.symbol}]",
                    "newsBody": f"<p>{topic}</p>",
                    "newsSource": topic,
                    "addedDate": at,
                    "modifiedDate": at,
                    "approvedDate": None,
                },
            )
        return {"exchangeMessages": messages, "companyNews": news}

    def notices(self, now_s: float) -> Rows:
        """news/notice/all: forty-five notices, newest first."""
        return [
            {
                "id": 1000 + number,
                "noticeHeading": f"Notice about {company.symbol}",
                "noticeBody": f"{topic} of {company.name}",
                "noticeFilePath": f"notice-{number}.pdf",
                "noticeExpiryDate": at[:10],
                "feature": False,
                "noticeTypeId": {"id": 1, "activeStatus": "A", "noticeType": "Company Notice"},
                "publishToWebsite": True,
                "source": None,
                "modifiedDate": None,
                "modifiedBy": "simulation",
            }
            for number, company, topic, at in self._events(now_s, 45)
        ]

    def headlines(self, now_s: float) -> Rows:
        """Alerts, media news and press releases: twenty-five items."""
        return [
            {"id": number, "title": f"{topic} of {company.symbol}", "addedDate": at}
            for number, company, topic, at in self._events(now_s, 25)
        ]

    def holiday_years(self, now_s: float) -> Rows:
        """holiday/year: this year and the one before."""
        year = nepal_date(now_s).year
        return [{"year": str(year - 1)}, {"year": str(year)}]

    def _documents(self, security_id: int, make: Callable[[Company, int], dict[str, Any]]) -> Rows | None:
        company = self._exchange.by_id.get(security_id)
        return None if company is None else [make(company, at) for at in range(1, 4)]

    def _sessions(self, now_s: float) -> Iterator[date]:
        day = self._exchange.session_day(now_s)
        for _ in range(SESSIONS_PER_YEAR):
            yield day
            day = previous_session(day)

    def _events(self, now_s: float, count: int) -> Iterator[tuple[int, Company, str, str]]:
        """Yield number, company, topic and time of the events of the last days, newest first."""
        day, companies = nepal_date(now_s), self._exchange.companies
        for back in range(count):
            number = day.toordinal() - back
            at = nepal_text((now_s // 86_400 - back) * 86_400)
            yield number, companies[number % len(companies)], TOPICS[number % len(TOPICS)], at
