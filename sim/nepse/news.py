"""News of the simulated exchange: disclosures, notices, alerts, news of companies, press releases.

Disclosures and notices have publicly recorded shapes, the others the keys that public clients read. As at the exchange, alerts
and news of companies are whole lists of thousands of rows.
"""

from collections.abc import Iterator
from typing import Any

from hulak.sim.nepse.exchange import Exchange, nepal_date, nepal_text
from hulak.sim.nepse.files import encrypted_id
from hulak.sim.nepse.listing import Company
from hulak.sim.nepse.pages import Rows

ALERTS, NEWS, NOTICES, RELEASES, DISCLOSURES = 1733, 8836, 45, 30, 20
TOPICS = ("Annual General Meeting", "Bonus Shares", "Right Shares", "Quarterly Report", "Book Close")


class News:
    """The news.

    Args:
        exchange: the exchange with the companies.
    """

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def disclosures(self, now_s: float) -> dict[str, Rows]:
        """news/companies/disclosure: the newest messages and company news."""
        documents: dict[str, Any] = {"applicationDocumentDetailsList": []}
        news = [documents | row for row in self.company_news(now_s, DISCLOSURES)]
        return {"exchangeMessages": self.alerts(now_s, DISCLOSURES), "companyNews": news}

    def alerts(self, now_s: float, count: int = ALERTS) -> Rows:
        """news/media/news-and-alerts: newest first."""
        return [
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
            }
            for number, company, topic, at in self._events(now_s, count)
        ]

    def company_news(self, now_s: float, count: int = NEWS) -> Rows:
        """news/media/company-news: newest first."""
        return [
            {
                "id": 40_000 + number,
                "newsHeadline": f"{topic} of {company.name} [{company.symbol}]",
                "newsBody": f"<p>{topic}</p>",
                "newsSource": topic,
                "filePath": f"news-{number}.pdf",
                "addedDate": at,
                "modifiedDate": at,
                "approvedDate": None,
            }
            for number, company, topic, at in self._events(now_s, count)
        ]

    def notices(self, now_s: float) -> Rows:
        """news/notice/all: newest first."""
        return [_notice(number, company, topic, at) for number, company, topic, at in self._events(now_s, NOTICES)]

    def press_releases(self, now_s: float) -> list[Rows]:
        """news/press-release: rows of a page, each a list with one notice."""
        return [[_notice(number, company, topic, at)] for number, company, topic, at in self._events(now_s, RELEASES)]

    def _events(self, now_s: float, count: int) -> Iterator[tuple[int, Company, str, str]]:
        """Yield number, company, topic and time of the events of the last days, one a day, newest first."""
        newest, companies = nepal_date(now_s).toordinal(), self._exchange.companies
        for back in range(count):
            number = newest - back
            at = nepal_text((now_s // 86_400 - back) * 86_400)
            yield number, companies[number % len(companies)], TOPICS[number % len(TOPICS)], at


def _notice(number: int, company: Company, topic: str, at: str) -> dict[str, Any]:
    return {
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
