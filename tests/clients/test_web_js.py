"""The page's own code without a browser: its pure modules, tried by node's test runner; and the rules that its files keep."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from hulak.bus.wire.price_digits import CURRENCIES, METALS

ROOT = Path(__file__).resolve().parents[2]
WEB = ROOT / "clients" / "web"
FILES = sorted(path for path in WEB.rglob("*") if path.suffix in {".js", ".css", ".html"} and path.parent.name != "vendor")
OLDEST_NODE = 20


def node():
    """Find node, or skip with the reason."""
    path = shutil.which("node")
    if path is None:
        pytest.skip("there is no node: the page's modules are tried with its test runner")
    version = subprocess.run([path, "--version"], check=True, capture_output=True, text=True).stdout.strip()
    if int(version[1:].split(".")[0]) < OLDEST_NODE:
        pytest.skip(f"node is {version}, its test runner is needed: v{OLDEST_NODE} or newer")
    return path


def test_the_pure_modules_are_the_expected_ones():
    tests = sorted(map(str, (ROOT / "tests" / "clients" / "web").glob("*.test.mjs")))
    done = subprocess.run([node(), "--test", *tests], check=False, capture_output=True, text=True, cwd=ROOT, timeout=100)
    assert done.returncode == 0, done.stdout[-6000:]
    counted = dict(re.findall(r"^(?:#|\u2139) (tests|fail|skipped) (\d+)$", done.stdout, re.MULTILINE))
    assert int(counted["tests"]) >= 40
    assert counted["fail"] == counted["skipped"] == "0"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(WEB)))
def test_a_file_is_short_and_loads_nothing_from_elsewhere(path):
    text = path.read_text()
    assert text.count("\n") < 300
    loading = re.sub(r"^\s*(//|/?\*).*$|<a href=[^>]*>", "", text, flags=re.MULTILINE)  # comments, and links that people follow
    assert not re.search(r"(https?:)?//[\w.-]+\.\w|@import|url\(", loading)


def test_the_page_holds_to_the_strictest_policy():
    """No script and no style stands in the page, or is made of text."""
    page = (WEB / "index.html").read_text()
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\bstyle=|\son\w+=", page)
    made_of_text = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function"
    for path in FILES:
        assert not re.search(made_of_text, path.read_text()), path


def test_every_module_that_is_imported_is_there_and_every_id_that_is_asked_for():
    page = (WEB / "index.html").read_text()
    for path in (path for path in FILES if path.suffix == ".js"):
        text = path.read_text()
        for name in re.findall(r'(?:from|LIBRARY =) "(\.[\w./-]+)"', text):
            assert (path.parent / name).is_file(), f"{path.name} imports {name}"
        for name in re.findall(r'byId\("([\w-]+)"\)', text):
            assert f'id="{name}"' in page, f"{path.name} asks for #{name}"


def luminance(colour):
    """Return the relative luminance of `#rrggbb`, as WCAG 2 defines it."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("block", [":root", ':root[data-theme="dark"]'])
def test_type_has_the_contrast_of_aa_on_every_ground(block):
    text = (WEB / "theme.css").read_text()
    rules = re.search(re.escape(block) + r" \{(.*?)\}", text, re.DOTALL).group(1)
    colours = dict(re.findall(r"--([\w-]+): (#\w{6});", rules))
    for ground in ("page", "surface", "raised", "band"):
        for name in ("ink", "dim", "up", "down", "accent", "warn", "bad"):
            low, high = sorted((luminance(colours[name]), luminance(colours[ground])))
            assert (high + 0.05) / (low + 0.05) >= 4.5, f"{name} on {ground}"


def test_the_page_groups_the_currencies_and_metals_that_the_bus_knows():
    lists = dict(re.findall(r'^const (CURRENCIES|METALS) = "(.*?)"', (WEB / "arrange.js").read_text(), re.MULTILINE))
    assert set(lists["CURRENCIES"].split()) == CURRENCIES
    assert set(lists["METALS"].split()) == METALS
