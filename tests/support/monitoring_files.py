"""The files of etc/monitoring, and the names of all metrics."""

import re
import shutil
import subprocess
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from hulak.clients.gateway import metrics
from hulak.clients.judge.situations import Level
from hulak.clients.judge.verdict import failed

FOLDER = Path(__file__).resolve().parents[2] / "etc" / "monitoring"
RULES, DASHBOARD = FOLDER / "hulak.rules.yml", FOLDER / "grafana-dashboard.json"
ALWAYS = {"up"}  # Prometheus makes it


def names_of(text):
    """Return the names of the series that a text of /metrics may have: also of families that have no sample yet."""
    names = set(ALWAYS)
    for family in text_string_to_metric_families(text):
        suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count", ""]}.get(family.type, [""])
        names |= {f"{family.name}{suffix}" for suffix in suffixes}
    return names


def metric_names():
    """Return the names of all metrics that the gateway can have."""
    figures = {path for _, _, path in metrics.FIGURES}
    stats = {"processes": [], "tasks": {"oldest_s": None}}
    for path in figures:
        at = stats
        *folders, last = path.split(".")
        for folder in folders:
            at = at.setdefault(folder, {})
        at.setdefault(last, 1)
    stats["broker"] |= {"version": "1", "rss_bytes": 1, "cpu_s": 1}
    stats["journal"]["state"] = stats["store"]["state"] = "live"
    stats["processes"] = [{"kind": "feed", "name": "f", "state": "live"}, {"kind": "display", "name": "d"}]
    return names_of(metrics.text(stats, 0.1, stats["gateway"], failed(Level.OK, "")).decode())


def assert_monitored(scrape):
    """Hold a text of /metrics against the queries of the dashboard and the rules, and against promtool where it is installed."""
    rules = re.sub("(?m)^ *#.*$|description: .*$", "", RULES.read_text())
    wanted = set(re.findall(r"\bhulak_\w+", DASHBOARD.read_text() + rules))
    unknown = wanted - names_of(scrape)
    assert not unknown, f"/metrics has no {sorted(unknown)}"
    if shutil.which("promtool") is not None:
        words = ["promtool", "check", "metrics"]
        done = subprocess.run(words, input=scrape, capture_output=True, text=True, timeout=30, check=False)
        assert (done.returncode, done.stdout + done.stderr) == (0, "")
