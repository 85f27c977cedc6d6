"""The alert rules of etc/monitoring: they follow the judge, name what exists, and fire; by promtool, where it is installed."""

import json
import re
import shutil
import subprocess

import click
import pytest
import yaml
from monitoring_files import FOLDER, RULES, metric_names

from hulak.bus.process.settings import Settings
from hulak.clients.cli import cli
from hulak.clients.judge.situations import SITUATIONS

promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed: apt-get install prometheus")
ALERTS = [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]
OF_THE_JUDGE = re.compile(r'hulak_problem\{what="(\w+)"\} == 1')
REASONS = dict(re.findall(r"^# no alert: (\w+): (.{20,})$", RULES.read_text(), re.MULTILINE))


def judged(rule):
    match = OF_THE_JUDGE.fullmatch(rule["expr"])
    return match and match[1]


def run(*words, folder=FOLDER):
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_situation_has_one_alert_or_a_reason_for_none():
    alerts = [what for rule in ALERTS if (what := judged(rule))]
    assert sorted([*alerts, *REASONS]) == sorted(SITUATIONS)


def test_alerts_have_plain_names_and_texts():
    names = [rule["alert"] for rule in ALERTS]
    assert len(set(names)) == len(names)
    for rule in ALERTS:
        assert re.fullmatch("(Hulak([A-Z][a-z]+)+)", rule["alert"])
        assert set(rule["annotations"]) == {"summary", "description"}
        assert not rule["annotations"]["summary"].endswith(".")
        assert rule["annotations"]["description"].endswith(".")
        if not judged(rule):
            assert rule["labels"] == {"severity": "critical"}


def test_rules_name_metrics_that_exist():
    named = {name for rule in ALERTS for name in re.findall(r"hulak_\w+", rule["expr"])}
    assert named <= metric_names()


def commands(group=cli, words=("hulak",)):
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        yield (*words, name)
        if isinstance(command, click.Group):
            yield from commands(command, (*words, name))


def test_descriptions_name_commands_and_settings_that_exist():
    text = "\n".join(rule["annotations"]["description"] for rule in ALERTS)
    known = set(commands())
    for line in re.findall("`(hulak [^`]+)`", text):
        words = tuple(word for word in line.split(" --")[0].split(" "))
        assert words in known, line
    for section, name in re.findall(r"`\[(\w+)\] (\w+)`", text):
        assert hasattr(getattr(Settings(), section), name), f"[{section}] {name}"


@promtool
def test_promtool_accepts_rules_and_configuration():
    run("promtool", "check", "rules", RULES.name)
    run("promtool", "check", "config", "prometheus.yml")


def seconds(text):
    number, unit = re.fullmatch(r"(\d+)([sm])", text).groups()
    return int(number) * {"s": 1, "m": 60}[unit]


INSTANCE = "127.0.0.1:5570"
BEGINS = 120  # seconds, when all situations begin; each ends a minute after its alert has fired


def labels_of(what, severity):
    return {"instance": INSTANCE, "job": "hulak", "severity": severity, "what": what}


def series_of(name, labels):
    return f"{name}{{{','.join(f'{key}={json.dumps(value)}' for key, value in labels.items())}}}"


def moments(rule):
    """Return when an alert is looked at, in seconds, and whether it fires: once its situation has lasted long enough."""
    wait_s = seconds(rule["for"])
    fires = BEGINS + wait_s
    return [(fires - 15, False), (fires, True), (fires + 45, True), (fires + 75, False)]


def trial_of_situations():
    """Return a test of promtool: each alert fires in its situation, with the severity of the judge, and ends with it."""
    series = [{"series": f'up{{job="hulak",instance="{INSTANCE}"}}', "values": "1x100"}]
    checks = []
    for rule in ALERTS:
        if what := judged(rule):
            every = [labels_of(what, level.name.lower()) for level in SITUATIONS[what].levels]
            values = f"0x{BEGINS // 15 - 1} 1x{(seconds(rule['for']) + 60) // 15 - 1} 0x20"
            series += [{"series": series_of("hulak_problem", labels), "values": values} for labels in every]
            texts = {key: value.replace("{{ $labels.instance }}", INSTANCE) for key, value in rule["annotations"].items()}
            alerts = [{"exp_labels": labels, "exp_annotations": texts} for labels in every]
            checks += [(at, rule["alert"], alerts if fires else []) for at, fires in moments(rule)]
    checks += [(BEGINS + 60, ALERTS[0]["alert"], []), (BEGINS + 60, ALERTS[1]["alert"], [])]
    return {
        "interval": "15s",
        "input_series": series,
        "alert_rule_test": [{"eval_time": f"{at}s", "alertname": name, "exp_alerts": alerts} for at, name, alerts in checks],
    }


def trial_of_the_gateway():
    """Return a test of the alerts about the gateway itself: it is down from the third minute on, and gone from the sixth."""
    down, missing = ALERTS[:2]
    labels = {"job": "hulak", "instance": "a:1", "severity": "critical"}
    texts = {key: value.replace("{{ $labels.instance }}", "a:1") for key, value in down["annotations"].items()}
    expected = [{"exp_labels": labels, "exp_annotations": texts}]
    gone = [{"exp_labels": {"job": "hulak", "severity": "critical"}, "exp_annotations": missing["annotations"]}]
    checks = [
        (down, 150, []),
        (down, 180 + seconds(down["for"]), expected),
        (missing, 300, []),
        (down, 660, []),
        (missing, 360 + 300 + seconds(missing["for"]), gone),  # a series counts for five minutes after its last value
    ]
    return {
        "interval": "15s",
        "input_series": [{"series": 'up{job="hulak",instance="a:1"}', "values": "1x11 0x11 _x60"}],
        "alert_rule_test": [
            {"eval_time": f"{at}s", "alertname": rule["alert"], "exp_alerts": alerts} for rule, at, alerts in checks
        ],
    }


@promtool
def test_each_alert_fires_in_its_situation_and_ends_with_it(tmp_path):
    shutil.copy(RULES, tmp_path)
    trials = [trial_of_situations(), trial_of_the_gateway()]
    document = {"rule_files": [RULES.name], "evaluation_interval": "15s", "tests": trials}
    (tmp_path / "trials.yml").write_text(yaml.safe_dump(document))
    assert "SUCCESS" in run("promtool", "test", "rules", "trials.yml", folder=tmp_path)
