"""The conformance kit can fail: each fault, put into a program that is right, is found, with the section that it breaks."""

import shutil
import sys
from pathlib import Path

import pytest

from hulak.clients.conform.kinds import KINDS
from hulak.clients.conform.runner import judge

EXAMPLES = Path(__file__).resolve().parents[3] / "clients" / "examples"
FILES = {"subscriber": "subscriber.py", "feed": "feed.py", "client": "call.py", "worker": "worker.py"}
DRAWN = "dealer.send(frame[:4] + (request := os.urandom(16)) + frame[20:])"
RIGHT_S, WRONG_S = 30, 2.5  # limits of a run

SUBSCRIBER = {
    "ignores epochs": ("if epoch > self.epoch:", "self.epoch = epoch\n        if False:", "epoch-reuses", "3.2"),
    "does not go back": ("while self.epoch and any(", "while False and any(", "epoch-backwards", "3.2"),
    "does not repair": ("while self.expected <= last and self.remaining:", "while False:", "gap", "7.3"),
    "accepts duplicates": ("sequence >= self.expected and", "sequence >= 0 and", "duplicates", "3.2"),
    "reorders": ("self.repair(epoch, sequence - 1)", "self.epoch = epoch", "gap", "7.3"),
    "ignores heartbeats": ('elif name == b"heartbeat"', 'elif name == b"none"', "heartbeat", "3.8"),
    "does not continue": ('(values[0]["next"] if', "(0 if", "replay-next", "7.3"),
    "takes any answer": ("if answered != request or", "if", "replay-foreign", "4.1"),
    "reads 32 bits": ('(">QQ", stamped)', '(">Q4xL", stamped)', "large-numbers", "3.2"),
}
FEED = {
    "sends nothing again": ("if taken < sent and", "if False and", "lost", "3.4"),
    "is unnumbered": ('struct.pack(">QQQ", self.instance, number', 'struct.pack(">QQQ", 0, number', "frames", "3.4"),
    "forgets what is not safe": ("while self.safe < self.count:", "while False:", "keeps-until-safe", "3.4"),
    "keeps its instance": ('int.from_bytes(os.urandom(8), "big") or 1', "7", "new-instance", "3.4"),
}
CLIENT = {
    "reuses ids": ("request = os.urandom(16)", 'request = b"0123456789abcdef"', "unique-ids", "4.1"),
    "draws again": ("dealer.send(frame)", DRAWN, "repeats", "4.1"),
    "keeps old parts": ("parts.clear()", "pass", "parts-again", "5.1"),
    "takes any answer": ("if answered != request:", "if False:", "foreign", "4.1"),
}
WORKER = {
    "drops held tasks": ("self.known = False  # until", "self.held.clear()  # until", "unknown-again", "5.2"),
    "ignores known": ("not self.known or self.epoch not in (0, epoch)", "False", "unknown-again", "5.2"),
    "ignores epochs": ("or self.epoch not in (0, epoch)", "", "other-epoch", "5.2"),
    "sends no heartbeat": ('self.send(b"H", self.names(), None)', "pass", "heartbeat", "5.2"),
    "names nothing": ('self.send(b"H", self.names(), None)', 'self.send(b"H", [], None)', "held", "5.2"),
    "keeps its name": ('f"python/{os.getpid()}/{os.urandom(3).hex()}"', '"python"', "new-name", "5.1"),
    "leaves at once": ("while not self.retired or self.held:", "while not self.retired:", "retire", "5.3"),
    "leaves silently": ('self.send(b"G", "retired")', "pass", "retire", "5.3"),
    "sends texts for failures": ("False, fault)", 'False, "unknown")', "unknown-action", "5.4"),
}
AT_ONCE = {
    "ignores epochs",
    "does not repair",
    "accepts duplicates",
    "reorders",
    "is unnumbered",
    "reuses ids",
    "drops held tasks",
}
MUTANTS = [
    pytest.param(kind, *words, id=f"{kind}-{name}", marks=[] if name in AT_ONCE else [pytest.mark.full_size])
    for kind, mutants in (("subscriber", SUBSCRIBER), ("feed", FEED), ("client", CLIENT), ("worker", WORKER))
    for name, words in mutants.items()
]


def judged(kind, program, rule, limit_s):
    (chosen,) = [known for known in KINDS[kind].rules if known.name == rule]
    return judge(KINDS[kind], chosen, [sys.executable, "-sE", str(program)], limit_s)


@pytest.mark.parametrize(("kind", "right", "wrong", "rule", "section"), MUTANTS)
def test_a_fault_is_found_with_the_section_that_it_breaks(kind, right, wrong, rule, section, tmp_path):
    source = (EXAMPLES / FILES[kind]).read_text()
    assert source.count(right) >= 1
    mutant = tmp_path / FILES[kind]
    mutant.write_text(source.replace(right, wrong))
    shutil.copy(EXAMPLES / "hulak_key.py", tmp_path)
    verdict = judged(kind, mutant, rule, WRONG_S)
    assert not verdict.passed
    assert verdict.findings[0].section == section, verdict.findings


@pytest.mark.parametrize(
    ("kind", "rule"), [("subscriber", "replay-next"), ("feed", "lost"), ("client", "parts"), ("worker", "retire")]
)
def test_a_program_that_is_right_passes(kind, rule):
    assert judged(kind, EXAMPLES / FILES[kind], rule, RIGHT_S).findings == ()


def test_the_rules_of_a_kind_have_different_names_and_sections_of_the_protocol():
    protocol = (EXAMPLES.parents[1] / "bus" / "PROTOCOL.md").read_text()
    for kind in KINDS.values():
        assert len({rule.name for rule in kind.rules}) == len(kind.rules)
        for rule in kind.rules:
            assert f"## {rule.section} " in protocol or f"## {rule.section}. " in protocol


def test_a_program_that_ends_with_an_error_fails_with_what_it_wrote(tmp_path):
    program = tmp_path / "broken.py"
    program.write_text("raise SystemExit('no such thing')")
    verdict = judged("client", program, "reply", RIGHT_S)
    assert verdict.findings[-1].text.startswith("the program ended with 1, must end with 0; it wrote 'no such thing'")


def test_a_program_that_hangs_is_ended_and_fails(tmp_path):
    program = tmp_path / "hangs.py"
    program.write_text("import threading\nthreading.Event().wait()")
    verdict = judged("client", program, "reply", 0.5)
    assert "has not ended within 0.5 s" in verdict.findings[-1].text
