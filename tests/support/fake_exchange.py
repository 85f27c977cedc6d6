"""Answers of the NEPSE workers about one session, for tests of the archive: small, and with totals that are right."""

from datetime import date, timedelta

from hulak.bus.errors import TaskFailed

DAY = date(2026, 4, 24)
PAGE = 3  # contracts a page
CONTRACTS = 8


def contract(number, day=DAY):
    return {
        "contractId": 2026042400000000 + number,
        "contractQuantity": 10 * number,
        "contractRate": 100.5,
        "contractAmount": round(10 * number * 100.5, 2),
        "businessDate": str(day),
        "buyerMemberId": None,
    }


class FakeExchange:
    """An `Ask` that remembers questions; `fails` has an error for each question (action, page) that is not answered."""

    def __init__(self, days=(DAY,)):
        self.last = DAY
        self.is_open = "CLOSE"
        self.as_of = f"{DAY}T15:00:00"
        self.days = list(days)
        self.asked = []
        self.fails = {}
        self.contracts = [contract(number) for number in range(1, CONTRACTS + 1)]
        self.quantity_off = 0
        self.history_days = list(days)  # of the indices
        self.served = None  # days of today-price; None: all

    def __call__(self, action, args):
        self.asked.append((action, args.get("page"), args.get("date")))
        error = self.fails.get((action, args.get("page")))
        if error is not None:
            raise error
        return getattr(self, f"_{action.replace('-', '_')}")(args)

    def actions(self):
        return [action for action, _, _ in self.asked]

    def _market_status(self, _):
        return {"isOpen": self.is_open, "asOf": self.as_of, "id": 80}

    def _holidays(self, _):
        return [{"holidayDate": str(DAY + timedelta(3)), "holidayDescription": "a holiday"}]

    def _summary_history(self, _):
        totals = {"totalTransactions": 5, "totalTradedShares": 70, "totalTurnover": 700.7}
        return [{"businessDate": str(day), **totals} for day in self.days]

    def _today_price(self, args):
        day = args["date"]
        if self.served is not None and date.fromisoformat(day) not in self.served:
            raise TaskFailed("NO_SUCH_DAY", "the exchange has no such day")
        rows = [
            {"businessDate": day, "symbol": "NABIL", "totalTrades": 3, "totalTradedQuantity": 50, "totalTradedValue": 500.5},
            {"businessDate": day, "symbol": "NICAD85/86", "totalTrades": 2, "totalTradedQuantity": 20, "totalTradedValue": 200.2},
        ]
        return {"rows": rows, "next": None, "total": len(rows), "complete": True}

    def _index_history(self, args):
        rows = [
            {"businessDate": str(day), "closingIndex": 1000.5 + args["index"], "totalTransaction": 5} for day in self.history_days
        ]
        return {"rows": rows, "next": None, "total": len(rows), "complete": True}

    def _nepse_index(self, _):
        return [{"id": number, "currentValue": 2700.25, "change": -0.2, "high": 2701.0} for number in (57, 58, 62, 63)]

    def _sub_indices(self, _):
        return [
            {"id": number, "currentValue": 900.5, "change": 0.1} for number in range(51, 68) if number not in (57, 58, 62, 63)
        ]

    def _floor_sheet(self, args):
        page, count = args["page"], len(self.contracts)
        rows = self.contracts[page * PAGE : (page + 1) * PAGE]
        return {
            "rows": rows,
            "next": page + 1 if (page + 1) * PAGE < count else None,
            "totalTrades": count,
            "totalQty": sum(row["contractQuantity"] for row in self.contracts) + self.quantity_off,
            "totalAmount": round(sum(row["contractAmount"] for row in self.contracts), 2),
        }
