"""What may be wrong with ticks: the journal, feeds, topics. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from clients.judge.facts import Facts, Finding, finding, some
from clients.judge.processes import number
from clients.judge.situations import Level, Limit

FEED_STATES = {"degraded": ("feed_stale", 1), "stale": ("feed_stale", 2), "backoff": ("feed_disconnected", 2)}
FEED = "feed"


def journal(facts: Facts) -> Iterator[Finding]:
    """Judge the journal."""
    told = facts.told["journal"]
    if (state := told.get("state", "live")) != "live":
        yield finding("journal_degraded", Level.CRITICAL, f"journal is {state}: {told.get('why') or 'no reason told'}")
    if lost := facts.figure("ticks.recent.lost"):
        yield finding("journal_lost", Level.WARNING, f"{lost:,.0f} ticks of the last ten minutes will not be journalled")
    if aside := told.get("aside"):
        yield finding("journal_aside", Level.WARNING, f"journal files set aside at the start: {some(aside)}")
    if corrupt := told.get("corrupt_bytes"):
        text = f"journal had {corrupt} damaged bytes at the start, `hulak journal verify` tells where"
        yield finding("journal_damaged", Level.WARNING, text)


def feeds(facts: Facts, limits: Mapping[str, Limit]) -> Iterator[Finding]:
    """Judge whether feeds are there, connected and fresh, and what their venues refuse."""
    rows = facts.rows(FEED)
    reporting = sum(row["age_s"] < limits["silence"].critical and not row.get("program") for row in rows)
    if reporting < (wanted := wanted_feeds(facts)):
        yield finding("feeds_missing", Level.CRITICAL, f"{reporting} of {wanted} feeds report")
    for row in rows:
        yield from _feed(row, limits["feed_age"])
        if refused := row.get("symbol_errors"):
            named = [f"{symbol} ({str(why).partition(':')[0]})" for symbol, why in refused.items()]
            count = f"{len(named)} symbol{'' if len(named) == 1 else 's'}"
            yield finding("symbols_refused", Level.WARNING, f"feed {row['name']}: its venue refuses {count}: {some(named)}")
    if shared := facts.told["ticks"].get("shared_topics"):
        said = [f"{topic} ({some(list(map(str, who)))})" for topic, who in shared.items()]
        yield finding("shared_topic", Level.WARNING, f"several feeds post ticks of one topic: {some(said)}")


def wanted_feeds(facts: Facts) -> int:
    """Say how many feeds there must be: as told, else one if the settings name it, or supervisord has started it."""
    if facts.feeds is not None:
        return facts.feeds
    is_kept = any(row["name"] == FEED and (row["state"] != "stopped" or row.get("started")) for row in facts.supervised)
    return int(facts.wants_feed or is_kept)


def data_age_s(row: Mapping[str, Any]) -> float | None:
    """Say how old a feed's newest quote is now; None if it has had none, or does not tell, as one that replays a file."""
    told = number(row.get("data_age_s"))
    return None if told is None else told + row["age_s"]


def _feed(row: Mapping[str, Any], limit: Limit) -> Iterator[Finding]:
    state, age_s = row.get("state"), data_age_s(row)
    waits_s = (number(row.get("since_s")) or 0.0) if age_s is None else age_s
    what, least = FEED_STATES.get(str(state), ("feed_stale", 0))
    level = max(Level(least), limit.level(waits_s))
    if level is Level.OK:
        return
    text = f"feed {row['name']} is {state}, "
    text += f"no quote for {waits_s:.0f} s" if age_s is None else f"newest quote {waits_s:.0f} s old"
    if what == "feed_stale" and (stale := row.get("stale_symbols")):
        text += f"; no tick in time of {some(stale)}"
    yield finding(what, level, text)


def topics(facts: Facts, share: float | None, limit: Limit) -> Iterator[Finding]:
    """Judge whether there is room for further topics."""
    ticks = facts.told["ticks"]
    refused = facts.figure("ticks.recent.topics_refused")
    level = Level.OK if share is None else limit.level(share)
    if refused:
        level = Level.CRITICAL
    if level is not Level.OK:
        text = f"{ticks['topics']:,} of {ticks['most_topics']:,} topics are in use"
        if refused:
            named = some(list(ticks.get("refused_topics") or ()))
            text += f", {refused:,.0f} ticks of further ones were refused in ten minutes: {named}"
        yield finding("topics_full", level, f"{text} (setting broker.max_topics)")
