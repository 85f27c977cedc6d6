"""The rate at which wrong tokens are answered: beyond it an address gets 429. Pure.

A right token is accepted at any time, so that an address with many users cannot be locked out by one of them; to guess 256 random
bits is hopeless at any rate. The bound limits what guessing costs the gateway and its log.
"""

import ipaddress
from collections import OrderedDict
from dataclasses import dataclass, field

BURST = 10.0  # wrong tokens of an address, beyond those at the rate
PER_S = 1 / 6
MOST_ADDRESSES = 4096  # the one that was wrong longest ago is forgotten


@dataclass(slots=True)
class WrongTokens:
    """Counts wrong tokens by the address that sent them."""

    total: int = 0
    _levels: OrderedDict[str, tuple[float, float]] = field(default_factory=OrderedDict)  # address -> level, at monotonic seconds

    def record(self, address: str, now: float) -> None:
        """Record a wrong token of an address, at `now` (monotonic seconds)."""
        self.total += 1
        key = _key(address)
        self._levels[key] = (self._level(key, now) + 1, now)
        self._levels.move_to_end(key)
        if len(self._levels) > MOST_ADDRESSES:
            self._levels.popitem(last=False)

    def wait_s(self, address: str, now: float) -> float:
        """Return the seconds after which an address may send a wrong token again; 0 if it may now."""
        return max(0.0, (self._level(_key(address), now) - BURST) / PER_S)

    def _level(self, key: str, now: float) -> float:
        level, before = self._levels.get(key, (0.0, now))
        return max(0.0, level - (now - before) * PER_S)


def _key(address: str) -> str:
    """Return what counts as one address: of IPv6, the 64 bits that a site gives to each of its networks."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if parsed.version == 4:
        return str(parsed)
    return str(parsed.ipv4_mapped or ipaddress.ip_network((parsed, 64), strict=False))
