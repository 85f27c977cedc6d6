"""Alerts and their firings in words."""

from typing import Any

from hulak.clients.durations import exactly

UNITS = {"pips": " pips", "fraction": " of the price", "price": ""}


def condition(row: dict[str, Any]) -> str:
    """Return when an alert fires: "mid at or above 1.1"."""
    kind = row.get("on")
    if kind == "stale":
        return f"no tick for {exactly(row.get('after_s', 0))}"
    unit = UNITS.get(row.get("unit") or "price", "") if kind == "spread" else " %" if kind == "change" else ""
    parts = [f"at or {way} {row[way]:g}{unit}" for way in ("above", "below") if row.get(way) is not None]
    what = {"spread": "spread", "change": f"change of {row.get('side')}"}.get(str(kind), str(row.get("side")))
    window = row.get("window_s")
    over = "" if kind != "change" else f" in {exactly(window)}" if window else " since the day began"
    return f"{what} {' or '.join(parts)}{over}"


def state_of(row: dict[str, Any], now_ms: float) -> str:
    """Return off, expired, fired (once, and no more) or waiting."""
    until_ms = row.get("until_ms")
    if not row.get("enabled"):
        return "off"
    if until_ms is not None and until_ms <= now_ms:
        return "expired"
    once = not row.get("repeat") and not str(row.get("symbol", "")).endswith("*")
    return "fired" if once and row.get("firings") else "waiting"


def way_text(body: dict[str, Any]) -> str:
    """Return what a firing says: "price above"."""
    kind, way = body.get("on", ""), body.get("way", "")
    return "stale" if kind == "stale" else f"{kind} {way}"
