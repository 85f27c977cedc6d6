"""The commands of the document of the HTTP interface, run as they are printed, on a real gateway with ticks."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from local_bus import LocalBus
from waiting import eventually

from hulak import Feed

pytestmark = [pytest.mark.system, pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")]
DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "howto" / "http.md"
PORT = "127.0.0.1:5570"


def commands():
    blocks = re.findall(r"^```sh\n(.*?)^```$", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


def test_each_command_of_the_document_is_answered():
    with LocalBus() as local_bus:
        local_bus.start_broker()
        gateway = local_bus.hulak("gateway")
        with Feed("test", settings=local_bus.settings, home=local_bus.home) as feed:
            feed.post("EURUSD", 1.1, 1.2)
            feed.flush()
        eventually(lambda: "gateway started" in gateway.log.read_text(), within_s=60)
        here = f"127.0.0.1:{local_bus.settings.gateway.port}"
        assert len(commands()) > 8
        for command in commands():
            assert PORT in command
            words = shlex.split(command.replace(PORT, here))
            answer = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
            assert answer.returncode == 0, (command, answer.stdout, answer.stderr)
            assert answer.stdout.startswith(("{", "[", "true", "false")), command
