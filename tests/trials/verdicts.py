"""The findings of `hulak check`, called like a monitoring system does: each trial ends with it."""

import json
import subprocess

ANSWERS_S = 60
# Times are not a trial's business where others share the machine, nor are tasks that it lets fail.
SLOW = ("latency", "display_latency", "silence", "loop", "growth", "feed_age", "disk", "failures", "dead_letters")
FAR = 1e9
UNSERVED = ("starting", "displays_unassigned", "tasks_without_worker")  # where a trial starts no workers for what it makes


def verdict(local_bus, *, feeds=0, workers=0, unserved=False, unread=False):
    """Run the command; returns its level, and its findings as {text: level}.

    Args:
        local_bus: with its broker.
        feeds, workers: least numbers.
        unserved: leave out `UNSERVED`.
        unread: leave out subscribers that do not read, which the trial has.
    """
    limits = [word for name in SLOW for word in ("--warn", f"{name}={FAR:g}", "--critical", f"{name}={FAR:g}")]
    process = local_bus.hulak("check", "--json", "--feeds", feeds, "--workers", workers, *limits, out=subprocess.PIPE)
    document = json.loads(process.communicate(timeout=ANSWERS_S)[0])
    left_out = (UNSERVED if unserved else ()) + (("subscriber_slow",) if unread else ())
    if not left_out:
        return document["level"], {finding["text"]: finding["level"] for finding in document["findings"]}
    result = {finding["text"]: finding["level"] for finding in document["findings"] if finding["what"] not in left_out}
    return next(iter(result.values()), "OK"), result  # the worst comes first


def assert_well(local_bus, **wanted):
    """Fail unless all is well."""
    level, findings = verdict(local_bus, **wanted)
    assert level == "OK", findings


def assert_reported(local_bus, *words, **wanted):
    """Fail unless the findings have exactly these words."""
    level, findings = verdict(local_bus, **wanted)
    assert level in ("WARNING", "CRITICAL"), f"no finding about {words}"
    assert all(any(word in text for text in findings) for word in words), findings
    assert all(any(word in text for word in words) for text in findings), findings
