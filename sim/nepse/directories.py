"""Directories of the simulated exchange: margin list, bonds, promoters, groups, members by criteria, reports.

The shapes of whole securities and of members are those that public clients read; those of other rows were never recorded, and are
invented.
"""

from collections.abc import Mapping
from typing import Any

from hulak.sim.nepse.bulletins import Bulletins
from hulak.sim.nepse.exchange import Exchange, nepal_date, nepal_text
from hulak.sim.nepse.files import encrypted_id
from hulak.sim.nepse.listing import SECTORS, Company
from hulak.sim.nepse.pages import Rows, page_of

GROUPS = {"A": "profitable for years", "B": "without dividends", "G": "new", "Z": "in default"}
BONDS, DEBENTURES = 68, 77
DEALERS = 6
REPORTS = ("Weekly", "Monthly", "Annual", "AGM", "Other")


class Directories:
    """Resources of directories.

    Args:
        exchange: with the companies.
        bulletins: with the members.
    """

    def __init__(self, exchange: Exchange, bulletins: Bulletins) -> None:
        self._exchange = exchange
        self._bulletins = bulletins

    def margin_list(self) -> Rows:
        """company/margin-list: the companies of group A."""
        return [
            {"id": company.id, "symbol": company.symbol, "securityName": company.name, "companyName": company.name}
            for company in self._exchange.companies
            if group_of(company) == "A"
        ]

    def bonds(self, query: Mapping[str, str]) -> Rows:
        """company/debentureAndBond: any type but `debenture` gives the government's bonds, as in the original."""
        if query.get("type") == "debenture":
            banks = [company for company in self._exchange.companies if company.sector == "Commercial Banks"]
            of_bank = [(at, banks[at % len(banks)]) for at in range(DEBENTURES)]
            named = [(f"{bank.symbol}D{80 + at}", f"{bank.name} Debenture") for at, bank in of_bank]
        else:
            named = [(f"GOV{at:03d}", f"Development Bond {2080 + at % 9}") for at in range(BONDS)]
        return [
            {"id": 9000 + at, "symbol": symbol, "securityName": name, "faceValue": 1000.0, "activeStatus": "A"}
            for at, (symbol, name) in enumerate(named)
        ]

    def promoters(self) -> Rows:
        """security/promoters: a promoter share for each company."""
        rows = []
        for company in self._exchange.companies:
            row = whole_security(company)
            named = {"symbol": f"{company.symbol}P", "securityName": f"{company.name} Promoter Share", "isPromoter": "Y"}
            rows.append({**row, **named, "id": company.id + 100_000})
        return rows

    def share_groups(self) -> Rows:
        """security/shareGroup."""
        return [_group(name) for name in GROUPS]

    def classification(self, query: Mapping[str, str]) -> Rows:
        """security/classification: of one group, or of all."""
        wanted = query.get("shareGroup", "")
        return [whole_security(company) for company in self._exchange.companies if wanted in {"", group_of(company)}]

    def classification_of(self, security_id: int) -> dict[str, Any] | None:
        """security/classification/{id}: None for an unlisted id, as in the methods below."""
        company = self._exchange.by_id.get(security_id)
        return None if company is None else whole_security(company)

    def listing(self, security_id: int, now_s: float) -> dict[str, Any] | None:
        """market/security: the figures of the last session, and the security."""
        quote = self._exchange.quotes(now_s).get(security_id)
        if quote is None:
            return None
        return {
            "businessDate": self._exchange.session_day(now_s).isoformat(),
            "openPrice": quote.open,
            "highPrice": quote.high,
            "lowPrice": quote.low,
            "closePrice": quote.last,
            "totalTradedQuantity": quote.quantity,
            "totalTradedValue": round(quote.value, 2),
            "totalTrades": quote.trades,
            "security": whole_security(quote.company),
        }

    def quote(self, security_id: int, now_s: float) -> dict[str, Any] | None:
        """security-detail: six keys."""
        quote = self._exchange.quotes(now_s).get(security_id)
        if quote is None:
            return None
        return {
            "receivedDateTime": nepal_text(quote.time_s),
            "securityId": security_id,
            "lastTradedPrice": quote.last,
            "openPrice": quote.open,
            "highPrice": quote.high,
            "lowPrice": quote.low,
        }

    def company_directory(self, query: Mapping[str, str]) -> dict[str, Any]:
        """company: a page of companies, and all securities."""
        companies = [_company(company) for company in self._exchange.companies]
        securities = [
            {"id": company.id, "symbol": company.symbol, "securityName": company.name, "activeStatus": "A"}
            for company in self._exchange.companies
        ]
        return {"companies": page_of(companies, query), "securities": securities}

    def members(self, criteria: Mapping[str, Any]) -> Rows:
        """POST member: the members that fit all criteria."""
        return [row for row in self._bulletins.members() if _fits(row, criteria)]

    def dealers(self, criteria: Mapping[str, Any]) -> Rows:
        """member/dealer: the dealers that fit all criteria."""
        rows = [dealer(number) for number in range(901, 901 + DEALERS)]
        return [row for row in rows if _fits(row, criteria)]

    def report_types(self) -> Rows:
        """report/report-types."""
        return [{"id": number, "name": f"{name} Report", "activeStatus": "A"} for number, name in enumerate(REPORTS, 1)]

    def reports(self, category: int, now_s: float) -> Rows | None:
        """report/reportByCategory: ten reports of each category but the last, which is empty; None for an unknown one."""
        if not 1 <= category <= len(REPORTS):
            return None
        day = nepal_date(now_s).toordinal()
        return [
            {
                "id": 100 * category + at,
                "title": f"{REPORTS[category - 1]} report {at}",
                "encryptedId": encrypted_id(day - at),
                "addedDate": nepal_text(now_s - 86_400 * at),
            }
            for at in range(1, 11)
            if category < len(REPORTS)
        ]

    def margin_trades(self, query: Mapping[str, str]) -> dict[str, Any]:
        """margin/trades-report of a day: none, as in the original."""
        return {"content": page_of([], query), "totalAmountInvested": 0.0}

    def investor_awareness(self, now_s: float) -> Rows:
        """news/media/investor-awareness."""
        return [
            {
                "id": at,
                "title": f"Note {at}",
                "body": "<p>Prices rise and fall.</p>",
                "addedDate": nepal_text(now_s),
            }
            for at in range(1, 4)
        ]


def group_of(company: Company) -> str:
    """Return the share group of a company."""
    return "ABAGZ"[company.id % 5]


def whole_security(company: Company) -> dict[str, Any]:
    """Return a security with all keys that clients know: its group, its company and their sector."""
    return {
        "id": company.id,
        "symbol": company.symbol,
        "isin": f"NPE{company.id:06d}SIM",
        "permittedToTrade": "Y",
        "listingDate": "2010-01-03",
        "creditRating": None,
        "tickSize": 0.1,
        "instrumentType": {"id": 1, "code": "EQ", "description": "Equity", "activeStatus": "A"},
        "capitalGainBaseDate": "2010-01-03",
        "faceValue": 100.0,
        "shareGroupId": _group(group_of(company)),
        "activeStatus": "A",
        "securityName": company.name,
        "tradingStartDate": "2010-01-03",
        "isPromoter": "N",
        "companyId": _company(company),
    }


def dealer(number: int) -> dict[str, Any]:
    """Return a dealer, in the shape of a member."""
    province = {"id": 3, "name": "3", "description": "Bagmati", "status": "A"}
    district = {"id": 25, "districtName": "Kathmandu", "status": "A", "provinceId": 3}
    municipality = {"id": 301, "municipalityName": "Kathmandu", "status": "A", "districtId": 25}
    return {
        "id": number,
        "activeStatus": "A",
        "clearingMemberId": None,
        "memberCode": number,
        "memberName": f"Dealer {number} Limited",
        "membershipTypeMaster": {"id": 2, "membershipType": "Stock Dealer"},
        "authorizedContactPerson": None,
        "authorizedContactPersonNumber": f"01-4{number:06d}",
        "provinceList": [province],
        "districtList": [district],
        "municipalities": [municipality],
        "memberTMSLinkMapping": None,
        "isDealer": "Y",
        "memberBranchMappings": [],
    }


def _group(name: str) -> dict[str, Any]:
    number = list(GROUPS).index(name) + 1
    return {"id": number, "name": name, "description": GROUPS[name], "activeStatus": "A", "isDefault": "N"}


def _company(company: Company) -> dict[str, Any]:
    regulator, index_id, _ = SECTORS[company.sector]
    sector = {"id": index_id - 14, "sectorDescription": company.sector, "activeStatus": "A", "regulatoryBody": regulator}
    return {
        "id": company.id,
        "companyShortName": company.symbol,
        "companyName": company.name,
        "email": f"info@{company.symbol.lower()}.example",
        "companyWebsite": f"https://{company.symbol.lower()}.example",
        "companyContactPerson": None,
        "sectorMaster": sector,
        "companyRegistrationNumber": str(company.id),
        "activeStatus": "A",
    }


def _fits(row: Mapping[str, Any], criteria: Mapping[str, Any]) -> bool:
    name, code = str(criteria.get("memberName", "")).lower(), str(criteria.get("memberCode", ""))
    if name not in str(row["memberName"]).lower() or code not in {"", str(row["memberCode"])}:
        return False
    for wanted, key in (("contactPerson", "authorizedContactPerson"), ("contactNumber", "authorizedContactPersonNumber")):
        if str(criteria.get(wanted, "")).lower() not in str(row.get(key) or "").lower():
            return False
    places = (("provinceId", "provinceList"), ("districtId", "districtList"), ("municipalityId", "municipalities"))
    return all(
        not criteria.get(wanted) or criteria[wanted] in {place["id"] for place in row.get(key) or []} for wanted, key in places
    )
