"""Rows of `endpoints`: directories of securities and members, reports of the exchange, and files.

No answers of these resources were recorded: their paths, their arguments, and most numbers of rows are those of public clients
of 2026.
"""

from hulak.workers.nepse.arguments import LAST_SESSION, Argument, Kind
from hulak.workers.nepse.endpoint import END, NTH, PAGE, START, SYMBOL, Endpoint, Shape

BONDS = (("debenture", "debenture"), ("government", "govBonds"))
GROUPS = tuple((letter.lower(), letter) for letter in "ABGZ")
REPORTS = (("weekly", "1"), ("monthly", "2"), ("annual", "3"), ("agm", "4"), ("other", "5"))

DIRECTORIES = (
    Endpoint("company-directory", "companies, page by page, and all securities", "/company/", Shape.OBJECT, (NTH,)),
    Endpoint("margin-list", "the securities that may be traded on margin", "/company/margin-list", daily=True),
    Endpoint(
        "bonds",
        "the listed debentures, or government bonds",
        "/company/debentureAndBond",
        arguments=(Argument("type", Kind.WORD, "the type", "type", default="debenture", choices=BONDS),),
        daily=True,
    ),
    Endpoint("promoters", "the promoter shares", "/security/promoters", Shape.PAGES, PAGE),
    Endpoint("share-groups", "the groups of shares", "/security/shareGroup/", daily=True),
    Endpoint(
        "classification",
        "the group and sector of every security",
        "/security/classification",
        Shape.PAGES,
        (Argument("group", Kind.WORD, "only this group", "shareGroup", choices=GROUPS), *PAGE),
    ),
    Endpoint(
        "security-classification",
        "the classification of a security",
        "/security/classification/{symbol}",
        Shape.ANY,
        (SYMBOL,),
    ),
    Endpoint(
        "listing",
        "the figures of a security's last session, and its listing",
        "/market/security/{symbol}",
        Shape.OBJECT,
        (SYMBOL,),
    ),
    Endpoint("quote", "the price of a security at the moment", "/security-detail/{symbol}", Shape.OBJECT, (SYMBOL,)),
    Endpoint("report-types", "the categories of the exchange's reports", "/report/report-types", daily=True),
    Endpoint(
        "exchange-reports",
        "the exchange's reports of a category",
        "/report/reportByCategory/{category}",
        Shape.PAGES,
        (Argument("category", Kind.WORD, "the category", required=True, choices=REPORTS), *PAGE),
        api="/api/web",
    ),
    Endpoint(
        "margin-trades",
        "the trades on margin of a day",
        "/trades-report",
        Shape.OBJECT,
        (Argument("date", Kind.DATE, "the business day", "businessDate", default=LAST_SESSION),),
        api="/api/margin",
    ),
)

CRITERIA = (
    Argument("name", Kind.TEXT, "only members with this in their name", body="memberName"),
    Argument("code", Kind.NUMBER, "only the member of this number", body="memberCode", low=1, high=9999),
    Argument("contact", Kind.TEXT, "only members with this contact person", body="contactPerson"),
    Argument("phone", Kind.TEXT, "only members with this telephone number", body="contactNumber"),
    Argument("province", Kind.NUMBER, "only members in this province, by id", body="provinceId", low=1, high=999),
    Argument("district", Kind.NUMBER, "only members in this district, by id", body="districtId", low=1, high=9999),
    Argument(
        "municipality", Kind.NUMBER, "only members in the municipality of this id", body="municipalityId", low=1, high=99_999
    ),
)

MEMBERS = (
    Endpoint("brokers", "the exchange's members", "/member", Shape.PAGES, (*CRITERIA, *PAGE)),
    Endpoint("dealers", "the members that deal for themselves", "/member/dealer", Shape.PAGES, (*CRITERIA, *PAGE)),
)

_PLACE = Argument("location", Kind.FILE, "the place of the file, as in a profile's logoFilePath", "fileLocation", required=True)

DOWNLOADS = (
    Endpoint(
        "notice-file",
        "the file of a notice",
        "/news/notice/fetchFiles/{name}",
        Shape.FILE,
        (Argument("name", Kind.FILE, "a notice's noticeFilePath", required=True),),
    ),
    Endpoint(
        "application-file",
        "a document of a company",
        "/application/fetchFiles",
        Shape.FILE,
        (Argument("id", Kind.FILE, "the encryptedId of a disclosure or a report", "encryptedId", required=True),),
    ),
    Endpoint("security-file", "a file of a security", "/security/fetchFiles", Shape.FILE, (_PLACE,)),
    Endpoint("security-image", "a picture of a security, such as its logo", "/security/getImage", Shape.PICTURE, (_PLACE,)),
    Endpoint(
        "price-export",
        "a security day by day as CSV",
        "/market/export/{symbol}",
        Shape.TABLE,
        (SYMBOL, START, END),
    ),
    Endpoint(
        "day-export",
        "the prices of a day as CSV",
        "/market/export/todays-price/{date}",
        Shape.TABLE,
        (Argument("date", Kind.DATE, "the business day", required=True),),
    ),
)
