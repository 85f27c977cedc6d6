"""Judges the journal, the feeds and the topics. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hulak.clients.durations import age
from hulak.clients.judge.facts import Facts, Finding, finding, some
from hulak.clients.judge.processes import Process, number, title
from hulak.clients.judge.situations import Level, Limit

FEED_STATES = {"degraded": ("feed_stale", 1), "stale": ("feed_stale", 2), "backoff": ("feed_disconnected", 2)}
FEED = "feed"
CLOSED = "closed"  # the state of a feed whose venue is closed: no quotes are expected


def journal(facts: Facts) -> Iterator[Finding]:
    """Judge the journal."""
    stats = facts.values["journal"]
    if (state := stats.get("state", "live")) != "live":
        yield finding("journal_degraded", Level.CRITICAL, f"journal is {state}: {stats.get('why') or 'no reason reported'}")
    if lost := facts.figure("ticks.recent.lost"):
        yield finding("journal_lost", Level.WARNING, f"{lost:,.0f} ticks of the last ten minutes were not journalled")
    if aside := stats.get("aside"):
        yield finding("journal_aside", Level.WARNING, f"journal files set aside at the start: {some(aside)}")
    if corrupt := stats.get("corrupt_bytes"):
        text = f"journal had {corrupt} damaged bytes at the start, see hulak journal verify"
        yield finding("journal_damaged", Level.WARNING, text)
    yield from _archive(stats.get("archive") or {})


def _archive(archive: Mapping[str, Any]) -> Iterator[Finding]:
    """Judge the journal's archive: segments wait for it, or are deleted without it."""
    if not (why := archive.get("why")):
        return
    if archive.get("kept", True):
        waiting, size = archive.get("waiting", 0), archive.get("waiting_bytes", 0) / 1e6
        text = f"journal's archive cannot be written, {waiting:,} segments ({size:,.1f} MB) wait for it: {why}"
        yield finding("archive_failed", Level.WARNING, text)
    else:
        text = f"journal's archive cannot be written, {archive.get('dropped', 0):,} segments were deleted without it: {why}"
        yield finding("archive_failed", Level.CRITICAL, text)


def feeds(facts: Facts, known: Sequence[Process], limits: Mapping[str, Limit]) -> Iterator[Finding]:
    """Judge whether feeds report, are connected and have fresh quotes, and which symbols their venues refuse."""
    rows = facts.rows(FEED)
    reporting = sum(
        process.kind == FEED and process.serves_data and not process.is_silent(limits["silence"]) for process in known
    )
    if reporting < (wanted := wanted_feeds(facts)):
        yield finding("feeds_missing", Level.CRITICAL, f"{reporting} of {wanted} feeds report")
    for row in rows:
        yield from _feed(row, limits["feed_age"])
        if refused := row.get("symbol_errors"):
            named = [f"{symbol} ({str(why).partition(':')[0]})" for symbol, why in refused.items()]
            count = f"{len(named)} symbol{'' if len(named) == 1 else 's'}"
            yield finding("symbols_refused", Level.WARNING, f"{title(row)}: its venue refuses {count}: {some(named)}")
    if shared := facts.values["ticks"].get("shared_topics"):
        topics = [f"{topic} ({some(list(map(str, names)))})" for topic, names in shared.items()]
        yield finding("shared_topic", Level.WARNING, f"several feeds publish to one topic: {some(topics)}")


def wanted_feeds(facts: Facts) -> int:
    """Return the minimum number of feeds: as given, else one if the settings name a feed or supervisord has started one."""
    if facts.feeds is not None:
        return facts.feeds
    is_supervised = any(row["name"] == FEED and (row["state"] != "stopped" or row.get("started")) for row in facts.supervised)
    return int(facts.expects_feed or is_supervised)


def data_age_s(row: Mapping[str, Any]) -> float | None:
    """Return the age of a feed's newest quote; None without a quote, or if the feed does not report it (a replay)."""
    age_s = number(row.get("data_age_s"))
    return None if age_s is None else age_s + row["age_s"]


def late_s(row: Mapping[str, Any]) -> float | None:
    """Return how long a feed's quote is due: its age, less the pauses that its venue usually makes. None as `data_age_s`."""
    age_s = data_age_s(row)
    return None if age_s is None else max(0.0, age_s - (number(row.get("pause_s")) or 0.0))


def _feed(row: Mapping[str, Any], limit: Limit) -> Iterator[Finding]:
    state, age_s = row.get("state"), data_age_s(row)
    waits_s = (number(row.get("since_s")) or 0.0) if age_s is None else age_s
    what, least = FEED_STATES.get(str(state), ("feed_stale", 0))
    if state == CLOSED:
        return
    level = max(Level(least), limit.level(max(0.0, waits_s - (number(row.get("pause_s")) or 0.0))))
    if level is Level.OK:
        return
    text = f"{title(row)} is {state}, "
    text += f"no quote for {age(waits_s)}" if age_s is None else f"newest quote {age(waits_s)} old"
    if what == "feed_stale" and (stale := row.get("stale_symbols")):
        text += f"; no recent tick of {some(stale)}"
    yield finding(what, level, text)


def topics(facts: Facts, share: float | None, limit: Limit) -> Iterator[Finding]:
    """Judge the number of topics."""
    ticks = facts.values["ticks"]
    refused = facts.figure("ticks.recent.topics_refused")
    level = Level.OK if share is None else limit.level(share)
    if refused:
        level = Level.CRITICAL
    if level is not Level.OK:
        text = f"{ticks['topics']:,} of {ticks['most_topics']:,} topics are in use"
        if refused:
            named = some(list(ticks.get("refused_topics") or ()))
            text += f", {refused:,.0f} ticks of new topics were refused in ten minutes: {named}"
        yield finding("topics_full", level, f"{text} (setting broker.max_topics)")
