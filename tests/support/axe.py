"""The rules of axe for a page in a browser: as it is, and as it is while its data is late."""

from axe_playwright_python.base import AXE_FILE_PATH

AXE = AXE_FILE_PATH.read_text()
LATE = ("data-late", "data-silent")  # attributes of the root, which the page's timer sets and removes
HOLD = "document.documentElement.toggleAttribute = (name) => document.documentElement.hasAttribute(name)"  # as they are
MARK = "([names, late]) => names.forEach((name) => Element.prototype.toggleAttribute.call(document.documentElement, name, late))"
RUN = """(rules) => axe.run(rules ? { runOnly: rules } : {})
  .then(({ violations }) => violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html).slice(0, 3)]))"""


def violations(page):
    """Return the rules that a page violates, with elements; first while nothing is late, then the contrast while all is.

    The page's timer no longer changes that state: a statistic that comes late on a busy machine decides nothing.
    """
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE)
        page.evaluate(HOLD)
    page.evaluate(MARK, [LATE, False])
    broken = page.evaluate(RUN, None)
    page.evaluate(MARK, [LATE, True])
    broken += page.evaluate(RUN, ["color-contrast"])
    page.evaluate(MARK, [LATE, False])
    return broken
