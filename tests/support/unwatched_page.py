"""A page of the browser that Playwright does not watch, to measure what people have.

Of a page that it watches, Playwright is sent each message of each WebSocket. With 28 cards at 1,000 ticks/s that is a tenth of a
core, partly of the page's own thread. This page has one session, which evaluates expressions and receives the browser's
complaints.
"""

import contextlib
import json

from waiting import eventually

WITHIN_S = 30
COMPLAINTS = {  # event of the DevTools protocol -> its text; None: not a complaint
    "Runtime.exceptionThrown": lambda event: event["exceptionDetails"]["text"],
    "Runtime.consoleAPICalled": lambda event: str(event["args"]) if event["type"] in {"error", "warning", "assert"} else None,
    "Log.entryAdded": lambda event: event["entry"]["text"] if event["entry"]["level"] in {"error", "warning"} else None,
}


class UnwatchedPage:
    """A page with `evaluate`, for values of JSON, and `complaints`, texts: errors, refused resources, policy."""

    def __init__(self, running, width, height):
        self.browser = running.new_browser_cdp_session()
        # Playwright leaves pages of a context alone that it has not made.
        self.context = self.browser.send("Target.createBrowserContext")["browserContextId"]
        where = {"url": "about:blank", "browserContextId": self.context, "width": width, "height": height}
        target = self.browser.send("Target.createTarget", where)["targetId"]
        self.answers, self.sent, self.complaints = {}, 0, []
        self.browser.on("Target.receivedMessageFromTarget", self._take)
        self.session = self.browser.send("Target.attachToTarget", {"targetId": target, "flatten": False})["sessionId"]
        for domain in ("Runtime", "Log"):
            self._send(f"{domain}.enable", {})
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self._send("Emulation.setDeviceMetricsOverride", size)

    def goto(self, url):
        """Open an address."""
        self._send("Page.navigate", {"url": url})

    def evaluate(self, expression):
        """Return the value of an expression."""
        answer = self._send("Runtime.evaluate", {"expression": expression, "returnByValue": True, "awaitPromise": True})
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def close(self):
        """End the page."""
        self.browser.send("Target.disposeBrowserContext", {"browserContextId": self.context})
        self.browser.detach()

    def _take(self, event):
        message = json.loads(event["message"])
        if "id" in message:
            self.answers[message["id"]] = message
        elif message["method"] in COMPLAINTS and (text := COMPLAINTS[message["method"]](message["params"])):
            self.complaints.append(text)

    def _send(self, method, parameters):
        self.sent += 1
        number = self.sent
        message = json.dumps({"id": number, "method": method, "params": parameters})
        self.browser.send("Target.sendMessageToTarget", {"sessionId": self.session, "message": message})

        def answered():
            self.browser.send("Browser.getVersion")  # events are handled while an answer is awaited
            return number in self.answers

        eventually(answered, within_s=WITHIN_S, every_s=0.02)
        answer = self.answers.pop(number)
        assert "error" not in answer, answer["error"]
        return answer["result"]


@contextlib.contextmanager
def unwatched(running, url, *, width=1600, height=1000):
    """Open a page in a running browser; it ends with the block."""
    page = UnwatchedPage(running, width, height)
    page.goto(url)
    yield page
    page.close()
