"""The sessions of the simulated exchange: salted tokens and the body ids that they allow.

Written independently of the worker's decoder, so that a mistake in either of them fails a test. The shapes are publicly recorded:
header, empty key part, 22 characters, 150 characters, 22 characters; on the wire five junk characters more; five-digit salts.
"""

import random
import string
from collections import OrderedDict
from dataclasses import dataclass

URL_SAFE = string.ascii_letters + string.digits + "-_"
HEADER = "eyJlbmMiOiJBMTI4Q0JDLUhTMjU2IiwiYWxnIjoiZGlyIn0"
SHIFTS = "5847946955653544966886865849"  # one digit for each sum of the last three digits of a salt
# fmt: off
BASES = (
    147, 117, 239, 143, 157, 312, 161, 612, 512, 804, 411, 527, 170, 511, 421, 667, 764, 621, 301, 106,
    133, 793, 411, 511, 312, 423, 344, 346, 653, 758, 342, 222, 236, 811, 711, 611, 122, 447, 128, 199,
    183, 135, 489, 703, 800, 745, 152, 863, 134, 211, 142, 564, 375, 793, 212, 153, 138, 153, 648, 611,
    151, 649, 318, 143, 117, 756, 119, 141, 717, 113, 112, 146, 162, 660, 693, 261, 362, 354, 251, 641,
    157, 178, 631, 192, 734, 445, 192, 883, 187, 122, 591, 731, 852, 384, 565, 596, 451, 772, 624, 691,
)
# fmt: on
REFRESH_LIFETIME_S = 3600.0  # as read from the clear-text tokens of 2022
# limit for the last digit of the base; number of the salt below the limit, and from it
FORMULAS = {"index-graph": (5, 4, 2), "today-price": (5, 2, 4), "floor-sheet": (4, 2, 4)}


def junk_places(salt: int) -> list[int]:
    """Return the places of the junk in a token: five places in the final text, ascending."""
    hundreds, tens, ones = (int(digit) for digit in f"{salt:03d}"[-3:])
    shift = int(SHIFTS[hundreds + tens + ones])
    return [
        shift + 22,
        shift + 32 + tens + hundreds,
        shift + 60 + tens + hundreds,
        shift + 88 + tens,
        shift + 110 + hundreds,
    ]


def body_id(formula: str, market_id: int, salts: tuple[int, ...], day: int) -> int:
    """Return the id that a POST body must have.

    Args:
        formula: "raw", "index-graph", "today-price" or "floor-sheet".
        market_id: 0..99.
        salts: the session's five, salt1 first.
        day: of the month in Nepal.
    """
    base = BASES[market_id] + market_id + day + day
    if formula == "raw":
        return base
    limit, below, otherwise = FORMULAS[formula]
    number = below if base % 10 < limit else otherwise  # counted from 1, as in the name salt4
    return base + salts[number - 1] * day - salts[number - 2]


@dataclass(frozen=True, slots=True)
class Grant:
    """The rights of an access token."""

    salts: tuple[int, ...]
    until: float  # monotonic seconds


class SessionBook:
    """All sessions of a simulated exchange. Not thread-safe: its owner has a lock.

    Args:
        seed: seed of tokens and salts.
        lifetime_s: seconds for which an access token is valid.
    """

    def __init__(self, seed: int, lifetime_s: float) -> None:
        self._random = random.Random(f"sessions {seed}")
        self._lifetime_s = lifetime_s
        self._access: OrderedDict[str, Grant] = OrderedDict()
        self._refresh: OrderedDict[str, float] = OrderedDict()

    def prove(self, now: float, server_ms: int) -> dict[str, object]:
        """Open a session.

        Args:
            now: monotonic seconds.
            server_ms: the exchange's clock, ms since 1970 UTC; returned in whole seconds, as in the original.
        Returns:
            the JSON object of the response.
        """
        self._forget(now)
        salts = tuple(self._random.randint(10_000, 99_999) for _ in range(5))
        access, refresh = self._token(), self._token()
        self._access[access] = Grant(salts, now + self._lifetime_s)
        self._refresh[refresh] = now + REFRESH_LIFETIME_S
        return {
            "serverTime": server_ms // 1000 * 1000,
            "salt": self._text(20),
            "accessToken": self._salted(access, salts[1]),
            "tokenType": "",
            "refreshToken": self._salted(refresh, salts[0]),
            **{f"salt{place}": salt for place, salt in enumerate(salts, start=1)},
            "isDisplayActive": True,
            "popupDocFor": "pdf",
        }

    def refresh(self, token: str, now: float, server_ms: int) -> dict[str, object] | None:
        """Open a new session with new salts for a decoded refresh token, which is valid once; None if it is invalid."""
        self._forget(now)
        if self._refresh.pop(token, None) is None:
            return None
        return self.prove(now, server_ms)

    def grant_of(self, token: str, now: float) -> Grant | None:
        """Return the rights of a decoded access token; None if it is unknown or expired."""
        self._forget(now)
        return self._access.get(token)

    def forget_all(self) -> None:
        """Invalidate all tokens, as a restart of the exchange does."""
        self._access.clear()
        self._refresh.clear()

    def _forget(self, now: float) -> None:
        # lifetimes are equal, so the oldest are first
        while self._access and next(iter(self._access.values())).until <= now:
            self._access.popitem(last=False)
        while self._refresh and next(iter(self._refresh.values())) <= now:
            self._refresh.popitem(last=False)

    def _text(self, length: int) -> str:
        return "".join(self._random.choices(URL_SAFE, k=length))

    def _token(self) -> str:
        return f"{HEADER}..{self._text(22)}.{self._text(150)}.{self._text(22)}"

    def _salted(self, token: str, salt: int) -> str:
        characters = list(token)
        for place in junk_places(salt):  # ascending: each place is one of the finished text
            characters.insert(place, self._random.choice(URL_SAFE))
        return "".join(characters)
