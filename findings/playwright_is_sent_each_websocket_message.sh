#!/bin/bash
# Playwright 1.65.2 with Chromium 150: each message of a page's WebSocket is sent to the test's process, though nobody listens.
#
# Playwright enables the browser's network events for every page that it opens, and has no option against it. With them the
# browser reports each message of a WebSocket with its content: the page's thread makes the report, the browser passes it on, the
# driver (a process of Node.js) parses it. A page that shows a stream is therefore slower in the test that measures it than in the
# hands of its users; Hulak's page with 28 cards and about 100 messages a second took a tenth of a core more. The documentation of
# the `websocket` events of a page lets one expect that it costs something to listen, not that it costs the same not to.
#
# What to do: open the page to be measured in a browser context that was made by a session of the DevTools protocol
# (`Target.createBrowserContext`). Playwright does not attach to it; a session of one's own evaluates expressions there.
#
# The server here sends 2,000 messages of 5,000 bytes to each page. It needs Linux, and Debian's chromium of any version
# (`apt install chromium`). Seen, with 150.0.7871.100: "messages 10.0 MB; the driver has read 10.4 MB for a page of Playwright,
# 0.0 MB for one of another context". Fails if that changes.
set -euo pipefail
browser=$(command -v chromium) || { echo "no chromium is installed" >&2; exit 1; }
"$browser" --version
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" -q --disable-pip-version-check install playwright==1.65.2 websockets==17.4 psutil==7.2.2 2>/dev/null
"$folder/venv/bin/python" - "$browser" <<'P'
import json
import sys
import threading
import time

import psutil
from playwright.sync_api import sync_playwright
from websockets.datastructures import Headers
from websockets.http11 import Response
from websockets.sync.server import serve

COUNT, SIZE, WITHIN_S = 2000, 5000, 60
PAGE = b"""<!doctype html><title>0</title><script>
let count = 0;
new WebSocket(`ws://${location.host}/ws`).onmessage = () => { document.title = ++count; };
</script>"""


def page_or_socket(connection, request):
    if request.path == "/ws":
        return None
    return Response(200, "OK", Headers({"Content-Type": "text/html", "Content-Length": str(len(PAGE))}), PAGE)


def send_all(connection):
    for _ in range(COUNT):
        connection.send("x" * SIZE)
    for _ in connection:  # until the page ends
        pass


def read_by_driver():
    (driver,) = [child for child in psutil.Process().children() if child.cmdline()[0].endswith("/driver/node")]
    return driver.io_counters().read_chars


def wait(condition):
    until = time.monotonic() + WITHIN_S
    while not condition():
        assert time.monotonic() < until, "the messages did not arrive"
        time.sleep(0.1)


server = serve(send_all, "127.0.0.1", 0, process_request=page_or_socket)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = "http://127.0.0.1:%d/" % server.socket.getsockname()[1]
with sync_playwright() as playwright:
    chromium = playwright.chromium.launch(executable_path=sys.argv[1], args=["--no-sandbox"])
    before = read_by_driver()
    page = chromium.new_page()
    page.goto(url)
    wait(lambda: page.title() == str(COUNT))
    watched = read_by_driver() - before
    page.close()

    session = chromium.new_browser_cdp_session()
    before = read_by_driver()
    context = session.send("Target.createBrowserContext")["browserContextId"]
    target = session.send("Target.createTarget", {"url": url, "browserContextId": context})["targetId"]
    wait(lambda: session.send("Target.getTargetInfo", {"targetId": target})["targetInfo"]["title"] == str(COUNT))
    other = read_by_driver() - before
    chromium.close()
server.shutdown()
print(
    f"messages {COUNT * SIZE / 1e6:.1f} MB; the driver has read {watched / 1e6:.1f} MB for a page of Playwright, "
    f"{other / 1e6:.1f} MB for one of another context"
)
assert watched >= COUNT * SIZE, "the driver is no longer sent what nobody listens to"
assert other < COUNT * SIZE / 20, "the driver is sent the messages of other contexts too"
P
