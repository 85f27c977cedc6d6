"""The dashboard of etc/monitoring for Grafana: its form, and the metrics that its queries name."""

import json
import re
import shutil
import subprocess

import pytest
import yaml
from monitoring_files import DASHBOARD, metric_names

BOARD = json.loads(DASHBOARD.read_text())
PANELS = [panel for panel in BOARD["panels"] if panel["type"] != "row"]
VARIABLES = {"datasource", "job", "instance"}
KINDS = {"timeseries", "stat", "table"}  # in every Grafana from version 9 on
GRAFANA = {"$__rate_interval": "1m", "$job": "hulak", "$instance": ".*"}  # Grafana replaces these


def expressions():
    for panel in PANELS:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]
    for annotation in BOARD["annotations"]["list"]:
        if "expr" in annotation:
            yield annotation["name"], annotation["expr"]


def plain(expression):
    for name, value in GRAFANA.items():
        expression = expression.replace(name, value)
    return expression


def test_every_query_names_metrics_that_exist():
    known = metric_names()
    for title, expression in expressions():
        named = set(re.findall(r"\bhulak_\w+", expression))
        assert named, title
        assert named <= known, title


def test_every_query_selects_the_job_and_the_gateway_that_were_chosen():
    for title, expression in expressions():
        for selector in re.findall(r"\bhulak_\w+(\{[^}]*\})?", expression):
            assert selector.startswith('{job="$job",instance=~"$instance"'), f"{title}: {expression}"


def test_counters_are_shown_as_rates_only():
    for title, expression in expressions():
        counters = re.findall(r"(\w+\()?hulak_\w+_(?:total|bucket|count)\b", expression)
        assert set(counters) <= {"rate(", "increase("}, f"{title}: {expression}"


def test_every_quantile_is_of_native_histograms_or_else_of_those_with_buckets():
    quantiles = [expression for _, expression in expressions() if "histogram_quantile" in expression]
    assert quantiles
    for expression in quantiles:
        native, classic = expression.split(" or ")
        without_le = classic.replace("sum by (le) (", "sum(").replace("sum by (le, ", "sum by (")
        assert native == without_le.replace("_bucket{", "{"), expression
    for _, expression in expressions():
        for name in re.findall(r"(hulak_\w+)_(?:bucket|count|sum)\{", expression):
            assert f"(rate({name}{{" in expression, "a Prometheus that keeps native histograms has no other series of it"


def test_every_metric_of_a_loss_is_on_the_dashboard():
    shown = {name for _, expression in expressions() for name in re.findall(r"\bhulak_\w+", expression)}
    losses = re.compile("(lost|failed|refused|rejected|errors|dropped|expired|cut_off|restarts|duplicate|early|conflated)")
    assert {name for name in metric_names() if losses.search(name)} - shown == set()


def test_the_form_is_that_of_grafana():
    assert (BOARD["uid"], BOARD["schemaVersion"]) == ("hulak", 41)
    assert "id" not in BOARD, "an id is that of one installation"
    assert {variable["name"] for variable in BOARD["templating"]["list"]} == VARIABLES
    assert len({panel["id"] for panel in BOARD["panels"]}) == len(BOARD["panels"])
    for panel in PANELS:
        assert panel["type"] in KINDS
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert panel["fieldConfig"]["defaults"]
        refs = [target["refId"] for target in panel["targets"]]
        assert len(set(refs)) == len(refs) > 0
        assert all(target["datasource"] == panel["datasource"] for target in panel["targets"])
        assert panel["title"]
    assert set(re.findall(r"\$\{?(\w+)", json.dumps(BOARD))) <= VARIABLES | {"__rate_interval", "__all"}


def test_no_panel_covers_another():
    taken = {}
    for panel in BOARD["panels"]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        for cell in [(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])]:
            assert taken.setdefault(cell, panel["title"]) == panel["title"], cell


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed: apt-get install prometheus")
def test_prometheus_parses_every_query(tmp_path):
    rules = [{"record": f"hulak:query_{at}", "expr": plain(expression)} for at, (_, expression) in enumerate(expressions())]
    rules.append({"record": "hulak:query", "expr": "sum(up) by"})  # no query: shows that the parser looks
    (tmp_path / "queries.yml").write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
    words = ["promtool", "check", "rules", tmp_path / "queries.yml"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert re.findall(r'hulak:query\w*"', done.stderr) == ['hulak:query"'], done.stderr
