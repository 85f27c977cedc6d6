"""The words of our prose: docstrings, comments, messages and pages are plain technical English, spelt the British way.

`PLACES` lists the folders and files that are checked. A folder is added when its text has been revised.
"""

import ast
import io
import re
import tokenize
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PLACES = (
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "docs",
    "bus",
    "workers",
    "clients",
    "sim",
    "benchmarks",
    "hulak",
    "etc",
    "tests",
)
FORBIDDEN = {  # pattern, without regard to case -> words to use instead
    r"who(m|se)?ever": "any process that, every client that",
    r"anew": "again",
    r"(?:of|on|by) (?:its|their) own\b(?! [a-z])": "separate, by itself",
    r"as of": "see, from",
    r"of late": "recently",
    r"for ever": "forever, without limit",
    r"besides": "also, in addition to",
    r"in vain": "without success",
    r"borne?": "tolerated, ignored",
    r"told": "reported, sent, printed",
    r"(?:un)?heard|hears?|hearing": "received, no message for",
    r"asleep|awake|sleepy": "idle, blocked, running",
    r"patien(?:t|tly|ce)": "timeout, waits up to",
    r"strangers?": "unknown peers",
    r"(?-i:goodbyes?|Goodbyes?)": "close frame, GOODBYE",
    r"(?:some|any|every|no)(?:body|one)": "the process, the client, none",
    r"no one": "no process, none",
    r"(?<!people )(?<!person )(?<!user )(?<!operator )who(?:m)?": "the process that, the client that",
    r"so (?:long|many|much|often|few)(?! as| that|,)": "a number or a unit: after N messages, in seconds",
    r"(?:goes|went|gone|go|going) (?:a)?round": "runs, iterates",
    r"passe[sd] over": "ignored, skipped",
    r"let go": "removed, deleted",
    r"looks? after": "manage, maintain",
    r"to be had": "available",
    r"ours|theirs|mine": "our process, its own, the local one",
    r"lest|hence|thereof|whereof|wherein|thereby|hereby": "so that, therefore",
    r"(?<!-)mishaps?(?!:)": "faults",
}
SUBJECTLESS = re.compile(
    r"(?:\A|\n\s*\n|[.;:!?]\s+)(?:what(?!:)|who(?!:)|whatever|(?:one|those) (?:that|which|who|whose|with))\b", re.IGNORECASE
)
VERBS = {  # first word of a docstring -> verbs to use instead
    "Tell": "Return, Send, Report",
    "Say": "Return, Print, Log",
    "Have": "Request, Make",
    "Give": "Return",
    "Look": "Read, Poll",
    "Be": "Run",
    "Note": "Record",
}
NAMES = {"one", "told", "found", "said", "mine", "left"}  # names of variables that name no thing
IDIOM = {  # words of the names of functions, classes, attributes, parameters and tests -> words to use instead
    r"un?heard|hear[sd]?|hearing": "receive, received, last_sequence, heartbeat",
    r"tells?|told|telling": "report, send, publish, log",
    r"look(?!_(?:back|ahead(?:_s)?|s)\b|s_(?:up|like))(?:s|ed|ing)?|lookout": "poll, check, read, search",
    r"says?|said|saying": "send, print, log, return",
    r"(?<!not_)know|think|farewell": "set, goodbye, disconnect",
    r"patien(?:t|tly|ce)": "timeout_s, retrying",
    r"wants?|speaks?": "request, need, is_wanted",
    r"asleep|awake|sick|deaf": "blocked, idle, running, degraded",
    r"strangers?|witness|mishap": "unknown peer, fault",
    r"who|whom|whoever|(?:some|any|every|no)body": "the process, the client, none",
    r"anew|borne|in_vain|for_ever|let_go|of_its_own|of_their_own": "again, ignored, removed, separate",
}
SPELLING = {  # American -> British; names in code are the libraries' own
    "license": "licence",
    "color": "colour",
    "colors": "colours",
    "behavior": "behaviour",
    "behaviors": "behaviours",
    "neighbor": "neighbour",
    "neighbors": "neighbours",
    "serialize": "serialise",
    "serialized": "serialised",
    "serializes": "serialises",
    "initialize": "initialise",
    "initialized": "initialised",
    "recognize": "recognise",
    "recognized": "recognised",
    "normalize": "normalise",
    "normalized": "normalised",
    "optimize": "optimise",
    "optimized": "optimised",
    "summarize": "summarise",
    "synchronize": "synchronise",
    "synchronized": "synchronised",
    "authorize": "authorise",
    "authorized": "authorised",
    "organize": "organise",
    "minimize": "minimise",
    "maximize": "maximise",
    "analyze": "analyse",
    "center": "centre",
    "centered": "centred",
    "favor": "favour",
    "honor": "honour",
    "labeled": "labelled",
    "canceled": "cancelled",
    "canceling": "cancelling",
    "modeled": "modelled",
    "traveled": "travelled",
    "signaled": "signalled",
    "journaled": "journalled",
    "gray": "grey",
    "catalog": "catalogue",
    "defense": "defence",
    "fulfill": "fulfil",
    "artifact": "artefact",
}
CODE = re.compile(r"``.+?``|`[^`\n]*`|https?://\S+|\{[^{}]*\}")  # code spans, addresses and fields hold names, no prose
BANNED = [(re.compile(rf"\b(?:{pattern})\b", re.IGNORECASE), use) for pattern, use in FORBIDDEN.items()]
NAMED = [(re.compile(rf"(?<![a-z])(?:{pattern})(?![a-z])"), use) for pattern, use in IDIOM.items()]
ANY_IDIOM = re.compile("|".join(pattern.pattern for pattern, _ in NAMED))
SPELT = re.compile(rf"\b({'|'.join(SPELLING)})\b", re.IGNORECASE)


def faults_of(prose):
    """Yield (offset, word, words to use instead) of a text."""
    text = CODE.sub(lambda match: re.sub(r"[^\n]", "#", match[0]), prose)
    for pattern, use in BANNED:
        yield from ((match.start(), match[0], use) for match in pattern.finditer(text))
    for match in SPELT.finditer(text):
        if not match[0].isupper():  # a file such as LICENSE
            yield match.start(), match[0], SPELLING[match[0].lower()]
    for match in SUBJECTLESS.finditer(text):
        yield match.start(), match[0].strip(".;:!? \n"), "a noun as the subject"


def prose_of_python(source, nodes):
    """Yield (line, text, kind) of docstrings, comments and texts of two words or more; `nodes` are those of the tree."""
    docstrings = {}
    for node in nodes:
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and ast.get_docstring(node):
            docstrings[id(node.body[0].value)] = node.body[0].value
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if id(node) in docstrings:
                yield node.lineno, node.value, "docstring"
            elif re.search(r"[a-z] +[a-z]", node.value):
                yield node.lineno, node.value, "text"
    tokens = [token for token in tokenize.generate_tokens(io.StringIO(source).readline) if token.type == tokenize.COMMENT]
    yield from joined((*token.start, re.sub(r"^[# ]*(noqa: [A-Z\d, ]+[- ]*)?", "", token.string)) for token in tokens)


def joined(comments):
    """Join comments (line, column, text) on consecutive lines of one column; yield (line, text, kind)."""
    first, last, column, lines = 0, -1, -1, []
    for line, at, text in comments:
        if line != last + 1 or at != column:
            if lines:
                yield first, "\n".join(lines), "comment"
            first, lines = line, []
        lines.append(text)
        last, column = line, at
    if lines:
        yield first, "\n".join(lines), "comment"


def prose_of_script(source):
    """Yield (line, text, kind) of a script's or page's comments and texts of two words or more."""
    for match in re.finditer(r"/\*.*?\*/|(?<!:)//[^\n]*|\"[^\"\n]*\"|>[^<>{}]+<|`[^`]*`", source, re.DOTALL):
        is_comment = match[0].startswith(("/*", "//"))
        text = re.sub(r"\$\{[^{}]*\}", "#", match[0].strip('`"><'))
        if is_comment or re.search(r"[a-z] +[a-z]", text):
            text = re.sub(
                r"^[ \t]*(?:/\*\*?|\*/|\*|//)|@(?:param|returns|typedef) (?:\{[^\n]*?\} )?[\w.]*", "", text, flags=re.MULTILINE
            )
            yield source.count("\n", 0, match.start()) + 1, text, "comment" if is_comment else "text"


def prose_of_settings(source, mark):
    """Yield (line, text, kind) of the comments of a settings file; a commented setting is no prose."""
    lines = [(number, line.partition(mark)) for number, line in enumerate(source.splitlines(), 1)]
    prose = [(number, len(before), text.strip()) for number, (before, found_mark, text) in lines if found_mark]
    yield from joined(comment for comment in prose if not re.match(r"[\[\w.:-]+ ?[=\]]", comment[2]))


def prose_of_markdown(source):
    """Yield (line, text, kind) of a document without its blocks of code."""
    text = re.sub(
        r"^```.*?^```|^(?: {4}|\t)[^\n]*", lambda match: re.sub(r"[^\n]", "", match[0]), source, flags=re.DOTALL | re.MULTILINE
    )
    yield 1, text, "text"


def names_of(nodes):
    """Yield (line, name) of each variable and parameter whose name names no thing."""
    for node in nodes:
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id.lstrip("_") in NAMES:
            yield node.lineno, node.id
        elif isinstance(node, ast.arg) and node.arg.lstrip("_") in NAMES:
            yield node.lineno, node.arg


def idiom_of(nodes):
    """Yield (line, name, words to use instead) of each name that the tree defines and that contains a word of `IDIOM`."""
    for node in nodes:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name) | ast.arg(arg=name):
                pass
            case ast.Attribute(attr=name, ctx=ast.Store()) | ast.Name(id=name, ctx=ast.Store()):
                pass
            case _:
                continue
        if name.lstrip("_") in NAMES and isinstance(node, ast.arg | ast.Name):
            continue  # see `names_of`
        words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
        if ANY_IDIOM.search(words):
            yield from ((node.lineno, name, use) for pattern, use in NAMED if pattern.search(words))


def faults_in(name, source):
    """List "file:line: word: words to use instead" of a file."""
    suffix = Path(name).suffix
    nodes = list(ast.walk(ast.parse(source))) if suffix == ".py" else []
    if suffix == ".py":
        prose = list(prose_of_python(source, nodes))
    elif suffix in (".js", ".mjs", ".html", ".css"):
        prose = list(prose_of_script(source))
    elif suffix in (".toml", ".conf"):
        prose = list(prose_of_settings(source, "#" if suffix == ".toml" else ";"))
    else:
        prose = list(prose_of_markdown(source))
    faults = []
    for line, text, kind in prose:
        faults += [(line + text.count("\n", 0, offset), word, use) for offset, word, use in faults_of(text)]
        first = re.match(r"\w+", text)
        if kind == "docstring" and first and first[0] in VERBS:
            faults.append((line, f"{first[0]} (verb of a docstring)", VERBS[first[0]]))
    if suffix == ".py":
        faults += [(line, f"{word} (name of a variable)", "a noun: message, row, result, item") for line, word in names_of(nodes)]
        faults += [(line, f"{word} (name)", use) for line, word, use in idiom_of(nodes)]
    return [f"{name}:{line}: {word}: {use}" for line, word, use in sorted(faults)]


def files():
    """List the files of `PLACES`."""
    paths = [path for place in PLACES for path in ([ROOT / place] if (ROOT / place).is_file() else (ROOT / place).rglob("*"))]
    suffixes = {".py", ".js", ".mjs", ".html", ".css", ".toml", ".conf", ".md"}
    this = Path(__file__)  # it quotes the words
    return sorted(
        path.relative_to(ROOT).as_posix()
        for path in paths
        if path.suffix in suffixes and path != this and path.parent.name != "vendor"
    )


FOLDERS = defaultdict(list)
for path_name in files():
    FOLDERS[path_name.rpartition("/")[0] or "."].append(path_name)


@pytest.mark.parametrize("folder", FOLDERS)
def test_prose_is_plain_and_spelt_the_british_way(folder):
    assert [fault for name in FOLDERS[folder] for fault in faults_in(name, (ROOT / name).read_text(encoding="utf-8"))] == []


WRONG = '''"""Tell whoever asks."""

TEXT = "so that who reads it is told"  # made anew


def show(said):
    for one in said:
        print(f"nobody was heard for {one} s")
'''
RIGHT = '''"""Return the rows of a table."""

KEYS = {"told": "a key on the wire"}  # the licence stands in LICENSE, see `as of`


# The caller decides
# what is printed.
def show(rows):
    for row in rows:
        print(f"no message for {row} s: {row.told}")
'''


def test_each_wrong_word_is_found_with_its_line_and_another_word():
    faults = faults_in("clients/wrong.py", WRONG)
    assert [fault.split(": ")[:2] for fault in faults] == [
        ["clients/wrong.py:1", "Tell (verb of a docstring)"],
        ["clients/wrong.py:1", "whoever"],
        ["clients/wrong.py:3", "anew"],
        ["clients/wrong.py:3", "told"],
        ["clients/wrong.py:3", "who"],
        ["clients/wrong.py:6", "said (name of a variable)"],
        ["clients/wrong.py:7", "one (name of a variable)"],
        ["clients/wrong.py:8", "heard"],
        ["clients/wrong.py:8", "nobody"],
    ]
    assert faults[2] == "clients/wrong.py:3: anew: again"


IDIOMATIC = """
class Lookout:
    def hear(self, patience_s):
        self.told_failed = [wanted for wanted in TOLD]

    def look_back(self, look_ahead_s, knows, whose): ...

def test_nobody_waits(): ...
def test_a_task_it_does_not_know(): ...
LOOKS = 1
"""


def test_each_idiomatic_name_that_is_defined_is_found():
    faults = faults_in("clients/wrong.py", IDIOMATIC)
    names = [fault.split(": ")[1].removesuffix(" (name)") for fault in faults]
    assert names == ["Lookout", "hear", "patience_s", "told_failed", "test_nobody_waits", "LOOKS"]


def test_keys_code_spans_and_attributes_are_no_prose():
    assert faults_in("clients/right.py", RIGHT) == []


@pytest.mark.parametrize(
    ("name", "source", "words"),
    [
        ("a.md", "# Behavior\n\n`told` and\n\n    told = 1\n\nWhat is told.\n", ["Behavior", "What", "told"]),
        (
            "a.js",
            '/** Say it anew. */\nconst told = "told"; // for ever\nsay("no one heard");',
            ["anew", "for ever", "heard", "no one"],
        ),
        ("a.html", '<p id="told">Not told yet.</p>', ["told"]),
        ("a.toml", 'told = 1  # what is told\n# told = "x"  # of its own\n', ["told", "what"]),
        ("a.conf", "; as of now\ncommand=told\n", ["as of"]),
        ("a.py", '"""Serialize the color."""\nfrom rich import color\nbox(color=color, text="a gray center")', None),
    ],
)
def test_each_kind_of_file_is_read_for_its_prose_only(name, source, words):
    words = ["Serialize", "center", "color", "gray"] if words is None else words
    assert sorted(fault.split(": ")[1] for fault in faults_in(name, source)) == words


def test_the_list_of_files_is_not_empty_and_every_place_exists():
    assert all((ROOT / place).exists() for place in PLACES)
    assert len(files()) > 100
