"""One resource of the exchange, as a row of `endpoints` and `directories`, and the arguments that many rows share.

Shapes are as recorded, Shape.ANY where no answer was recorded.
"""

from dataclasses import dataclass
from enum import Enum

from hulak.workers.nepse.arguments import Argument, Kind
from hulak.workers.nepse.tokens import Formula

LARGEST_PAGE = 500  # the largest in wide use; the exchange was seen to answer larger ones as a bare list
MAX_PAGES = 500  # per task: the largest known day had 420
# A worker does one task at a time: with two pages (1 s at 2 requests/s) others wait no longer than that for a long list.
PAGES_A_TASK = 2
API = "/api/nots"


class Shape(Enum):
    """The form of a valid answer."""

    ROWS = "rows"
    OBJECT = "an object"
    ANY = "JSON"  # no answer was recorded: any JSON
    PAGES = "rows, page by page"
    SHEET = "contracts, page by page, with their totals"
    FILE = "a file"  # a document or a picture
    TABLE = "a file of CSV"
    PICTURE = "a picture in base64, as content of an object"


PAGED = {Shape.PAGES, Shape.SHEET}
SAVED = {Shape.FILE, Shape.TABLE, Shape.PICTURE}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One resource."""

    action: str
    what: str  # its content, for help texts
    path: str  # below `api`; arguments in braces are filled in
    shape: Shape = Shape.ROWS
    arguments: tuple[Argument, ...] = ()
    formula: Formula | None = None  # of the body id of a POST; None: a GET
    fixed: str = ""  # always in the query
    empty: bool = False  # an empty body means "none", and is not an error
    daily: bool = False  # changes only from day to day, so it is cached for the day
    api: str = API


SYMBOL = Argument("symbol", Kind.SECURITY, "the security", required=True)
INDEX = Argument("index", Kind.INDEX, "the index", required=True)
START = Argument("start", Kind.DATE, "first day", "startDate")
END = Argument("end", Kind.DATE, "last day", "endDate")
ALL = Argument("all", Kind.FLAG, "the whole list instead of the first ten", "all", default=False)
NTH = Argument("page", Kind.NUMBER, "which page, from 0", "page", high=99_999)  # of lists whose pages were never recorded
FIRST = Argument("page", Kind.NUMBER, "the first page to read, from 0", default=0, high=99_999)
SIZE = Argument("size", Kind.NUMBER, "rows a page", default=LARGEST_PAGE, low=1, high=LARGEST_PAGE)
UP_TO = Argument("pages", Kind.NUMBER, "how many pages to read at most", default=PAGES_A_TASK, low=1, high=MAX_PAGES)
PAGE = (FIRST, SIZE, UP_TO)
DAY = Argument("date", Kind.DATE, "the business day", "businessDate")
