"""How long a key may not connect after its peer sent what Hulak's own programs never send. PROTOCOL.md section 14. Pure."""

FIRST_S, LONGEST_S = 10.0, 3600.0


class Pauses:
    """The pauses of keys: each is ten times as long as the one before, if that ended within `LONGEST_S`."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[float, float]] = {}  # name of a key -> length and end of its last pause

    def begin(self, name: str, now: float) -> float:
        """Begin a pause of a key; return its length in seconds.

        Args:
            name: of the key.
            now: monotonic seconds.
        """
        self.prune(now)
        length_s, until = self._last.get(name, (0.0, 0.0))
        if now < until:  # its other connections may send more before they end
            return length_s
        length_s = min(LONGEST_S, 10 * length_s) or FIRST_S
        self._last[name] = length_s, now + length_s
        return length_s

    def left(self, name: str, now: float) -> float:
        """Return for how many seconds a key may not connect; 0: it may."""
        return max(0.0, self._last.get(name, (0.0, 0.0))[1] - now)

    def prune(self, now: float) -> None:
        """Forget the pauses that no longer make the next one longer."""
        self._last = {name: last for name, last in self._last.items() if now - last[1] <= LONGEST_S}
