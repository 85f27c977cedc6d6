"""The programs of Hulak as a file for a supervisord of the machine, which keeps its own socket, log and pid file. Pure.

It has the [program] and [group] sections of etc/supervisord.conf, with values instead of the variables that `hulak up` sets.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from hulak.bus.errors import ConfigError

HEAD = """\
; The programs of Hulak, for [include] of a supervisord; made by `hulak service programs`.
; supervisord refuses the file unless these folders exist:
;   install -d -m 700 {owner}{home} {home}/run {home}/log
; The scaler starts spare workers over supervisord's socket, {socket}.
"""
SECTION = re.compile(r"\[(program|group):([^\]]+)\]")
SWITCH = re.compile(r"%\(ENV_HULAKUP_(\w+)\)s")
OF_DEMO = {"sim-venue", "sim-nepse", "demo-nepse"}


def programs(
    template: str,
    *,
    home: Path,
    python: str,
    socket: Path,
    switches: Mapping[str, str],
    variables: Mapping[str, str],
    user: str = "",
) -> str:
    """Return the text of the file.

    Args:
        template: etc/supervisord.conf.
        home: absolute.
        python: the interpreter that has Hulak installed.
        socket: of the supervisord that includes the file.
        switches: of `clients.supervisord.switches`.
        variables: further variables of the programs.
        user: that the programs run as; empty: that of supervisord.
    Raises:
        ConfigError: a path cannot be written in such a file.
    """
    environment = {"HULAK_HOME": str(home), "HULAK_SCALING__SUPERVISOR_SOCKET": str(socket), **variables}
    own = [f"environment={','.join(_variable(name, value) for name, value in environment.items())}"]
    own += [f"directory={_once(str(home))}", "umask=077", *([f"user={user}"] if user else [])]
    lines = [HEAD.format(home=home, socket=socket, owner=f"-o {user} " if user else "")]
    for kind, name, body in _sections(template):
        if name in OF_DEMO and switches["HULAKUP_DEMO"] != "true":
            continue
        text = "\n".join(body).replace("%%(ENV_HULAK_HOME)s", _twice(str(home))).replace("%(ENV_HULAK_PYTHON)s", _once(python))
        text = SWITCH.sub(lambda match: switches[f"HULAKUP_{match[1]}"], text)
        lines += [f"[{kind}:{name}]", text, *(own if kind == "program" else []), ""]
    return "\n".join(lines)


def _sections(template: str) -> Iterator[tuple[str, str, list[str]]]:
    body: list[str] | None = None
    head = ("", "")
    for line in template.splitlines():
        if line.startswith("["):
            if body is not None:
                yield *head, body
            match = SECTION.fullmatch(line)
            body, head = (None, ("", "")) if match is None else ([], (match[1], match[2]))
        elif body is not None and line and not line.startswith(";"):
            body.append(line)
    if body is not None:
        yield *head, body


def _once(text: str) -> str:
    return text.replace("%", "%%")


def _twice(text: str) -> str:
    """Escape a path of a log, which supervisord expands twice."""
    return text.replace("%", "%%%%")


def _variable(name: str, value: str) -> str:
    if '"' in value or "\n" in value:
        raise ConfigError(f"{name} is {value!r}: supervisord cannot read a quotation mark or a line break in a variable")
    return f'{name}="{_once(value)}"'
