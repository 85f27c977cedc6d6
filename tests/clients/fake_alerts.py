"""Alerts and lists of the exchange for the page's fake gateway."""

import time

LISTS = {
    "indices": [{"name": "NEPSE Index", "value": 2722.08, "change": -4.01, "percent": -0.15}],
    "sectors": [{"name": "Banking SubIndex", "value": 1005.06, "change": 3.84, "percent": 0.38}],
    "summary": [{"name": "Total Turnover Rs:", "value": 1_007_100_000.0}, {"name": "Total Transactions", "value": 4036}],
    "breadth": {"advances": 33, "declines": 45, "unchanged": 2},
    "gainers": [{"symbol": "NABIL", "price": 496.7, "change": 7.6, "percent": 2.04}],
    "losers": [{"symbol": "ADBL", "price": 296.7, "change": -7.6, "percent": -2.04}],
    "turnover": [{"symbol": "NABIL", "price": 496.7, "amount": 27_900_000}],
    "quantity": [{"symbol": "NABIL", "price": 496.7, "amount": 21_870}],
}
BOOK = {
    "bids": [{"price": 496.6 - at / 10, "quantity": 120 + at, "orders": at + 1} for at in range(5)],
    "asks": [{"price": 496.8 + at / 10, "quantity": 120 + at, "orders": at + 1} for at in range(5)],
    "bid_total": 700,
    "ask_total": None,
}
LISTS["book"] = BOOK
REQUESTS = ["alert.list", "alert.add", "alert.enable", "alert.remove", "nepse.read"]
VIEWERS = ["alert.list", "nepse.read"]


class FakeAlerts:
    """The alerts of a broker; each new one on a price fires at once."""

    def __init__(self):
        self.rows, self.fired = {}, []

    def answer(self, message):
        """Return the answer to a request; None if it is none of these."""
        match message:
            case {"type": "alert.list"}:
                return {
                    "revision": 1,
                    "evaluated": False,
                    "why": "`hulak derive` is not running",
                    "alerts": list(self.rows.values()),
                }
            case {"type": "alert.add", "alert": alert}:
                name = alert.get("name", f"a{len(self.rows)}")
                row = {"side": "mid", "above": None, "below": None, "repeat": False, "note": "", **alert, "name": name}
                self.rows[name] = row | {"enabled": True, "firings": 0, "last": None, "owner": ""}
                if alert["on"] == "price":
                    self.fired.append(self.firing(self.rows[name]))
                return self.rows[name]
            case {"type": "alert.enable", "name": name, "enabled": enabled}:
                self.rows[name]["enabled"] = enabled
                return self.rows[name]
            case {"type": "alert.remove", "name": name}:
                return self.rows.pop(name)
            case {"type": "nepse.read", "what": what}:
                return LISTS[what]
        return None

    def firing(self, row):
        """Return the row of a stream for an alert that fires."""
        at = time.time_ns() // 1_000_000
        row["firings"] += 1
        row["last"] = {
            "alert": row["name"],
            "symbol": row["symbol"],
            "on": "price",
            "way": "above",
            "value": 2.5,
            "limit": row["above"],
        }
        row["last"] |= {"unit": "price", "at": at, "number": 7, "fired": row["firings"], "note": row["note"]}
        return row["last"]

    def take(self):
        """Return what has fired since the last call."""
        fired, self.fired = self.fired, []
        return fired
