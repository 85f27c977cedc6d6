"""The methods of both clients about directories: margin list, bonds, groups, members, reports of the exchange.

Rows are in the exchange's form; most of these shapes were never recorded. Every method raises as `NepseMethods.call` does.
"""

from typing import Any, Literal

from hulak.clients.nepse.base import NepseMethods, Row, Rows, Security


class DirectoryMethods(NepseMethods):
    """Each is one action of the service `nepse`, of the same name."""

    async def get_company_directory(self, page: int | None = None) -> Row:
        """Return a page of `companies`, and all `securities`."""
        return dict(await self.call("company-directory", page=page))

    async def get_margin_list(self) -> Rows:
        """Return the securities that may be traded on margin; read once a day."""
        return list(await self.call("margin-list"))

    async def get_bonds(self, type: Literal["debenture", "government"] = "debenture") -> Rows:  # noqa: A002 - as the action's
        """Return the listed debentures, or the government's bonds; read once a day."""
        return list(await self.call("bonds", type=type))

    async def get_promoters(self) -> Rows:
        """Return the promoter shares."""
        return list((await self.whole("promoters"))["rows"])

    async def get_share_groups(self) -> Rows:
        """Return the groups of shares: `id`, `name` ("A", "B", "G", "Z"); read once a day."""
        return list(await self.call("share-groups"))

    async def get_classification(self, group: Literal["A", "B", "G", "Z"] | None = None) -> Rows:
        """Return every security with its group and, in `companyId.sectorMaster`, its sector; or those of a group."""
        return list((await self.whole("classification", group=group))["rows"])

    async def get_security_classification(self, security: Security) -> Any:
        """Return the classification of a security."""
        return await self.call("security-classification", symbol=security)

    async def get_listing(self, security: Security) -> Row:
        """Return the figures of a security's last session, and the `security`."""
        return dict(await self.call("listing", symbol=security))

    async def get_quote(self, security: Security) -> Row:
        """Return `receivedDateTime`, `securityId`, `lastTradedPrice`, `openPrice`, `highPrice`, `lowPrice`."""
        return dict(await self.call("quote", symbol=security))

    async def get_brokers(
        self,
        *,
        name: str | None = None,
        code: int | None = None,
        contact: str | None = None,
        phone: str | None = None,
        province: int | None = None,
        district: int | None = None,
        municipality: int | None = None,
    ) -> Rows:
        """Return the exchange's members, or those that fit all criteria.

        Args:
            name: part of the member's name.
            code: the member's number.
            contact: part of the contact person's name.
            phone: part of the telephone number.
            province: its id in the exchange's directory.
            district: its id.
            municipality: its id.
        Returns:
            rows of `memberCode` (int), `memberName`, `membershipTypeMaster`, `provinceList`, `memberTMSLinkMapping`, ....
        """
        answer = await self.whole(
            "brokers",
            name=name,
            code=code,
            contact=contact,
            phone=phone,
            province=province,
            district=district,
            municipality=municipality,
        )
        return list(answer["rows"])

    async def get_dealers(
        self,
        *,
        name: str | None = None,
        code: int | None = None,
        contact: str | None = None,
        phone: str | None = None,
        province: int | None = None,
        district: int | None = None,
        municipality: int | None = None,
    ) -> Rows:
        """Return the members that deal for themselves; criteria and rows as in `get_brokers`."""
        answer = await self.whole(
            "dealers",
            name=name,
            code=code,
            contact=contact,
            phone=phone,
            province=province,
            district=district,
            municipality=municipality,
        )
        return list(answer["rows"])

    async def get_report_types(self) -> Rows:
        """Return the categories of the exchange's reports; read once a day."""
        return list(await self.call("report-types"))

    async def get_exchange_reports(self, category: Literal["weekly", "monthly", "annual", "agm", "other"]) -> Rows:
        """Return the exchange's reports of a category."""
        return list((await self.whole("exchange-reports", category=category))["rows"])

    async def get_margin_trades(self, date: str | None = None) -> Row:
        """Return the trades on margin of a day (ISO), by default of the last session: `content`, `totalAmountInvested`."""
        return dict(await self.call("margin-trades", date=date))

    async def get_investor_awareness(self) -> Any:
        """Return the exchange's texts for investors."""
        return await self.call("investor-awareness")
