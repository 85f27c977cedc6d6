"""Check one setting against its type in `bus.process.settings`, and describe in words the values that the type allows. Pure."""

import re
from pathlib import Path
from typing import Any, get_args

import msgspec

from hulak.bus.process.settings import CHECK, SECRET, Section, ServiceScaling, Settings
from hulak.bus.wire.plain_values import suggestion


def types_of(section: Any) -> dict[str, Any]:
    """Map the settings of a section, or the sections of all settings, to their types."""
    return {field.name: field.type for field in msgspec.structs.fields(section)}


SECTIONS = {name: kind for name, kind in types_of(Settings).items() if isinstance(kind, type) and issubclass(kind, Section)}
PASSWORD = re.compile(r"//[^/\s]*@")  # and the user, in an address
PER_SERVICE = "scaling."  # begins the name of a section of one service: "scaling.sums"


def model_of(section: str) -> Any:
    """Return the type of a section."""
    return ServiceScaling if section.startswith(PER_SERVICE) else SECTIONS[section]


def take(values: dict[str, Any], section: str, setting: str, value: Any, wrong: list[str], *, is_text: bool = False) -> None:
    """Check one value and store it in `values`, or add the error to `wrong`. With `is_text`, a text may stand for a number."""
    types, shown = types_of(model_of(section)), "***" if setting in SECRET else PASSWORD.sub("//***@", repr(value))
    shown_setting = f"setting {section}.{setting} = {shown}"
    if setting not in types:
        known = [f"{section}.{name}" for name in types]
        wrong.append(f"{shown_setting} is unknown; allowed are {', '.join(known)}{suggestion(f'{section}.{setting}', known)}")
        return
    if types[setting] == Path | None and value == "":  # as an empty variable has it; Path("") is the working directory
        values[setting] = None
        return
    try:
        checked = msgspec.convert(value, types[setting], strict=not is_text, dec_hook=_path)
        if (check := _check_of(types[setting])) is not None:
            check(checked)
    except msgspec.ValidationError:
        wrong.append(f"{shown_setting}: {allowed_of(types[setting])}")
    except ValueError as error:
        wrong.append(f"{shown_setting}: {error}")
    else:
        values[setting] = checked


def _path(kind: type, value: Any) -> Any:
    if kind is Path and isinstance(value, str | Path):
        return Path(value)
    raise ValueError("must be a path")


def _check_of(kind: Any) -> Any:
    return next((meta.extra[CHECK] for meta in getattr(kind, "__metadata__", ()) if meta.extra), None)


def allowed_of(kind: Any) -> str:
    """Describe the values that a setting's type allows."""
    info = msgspec.inspect.type_info(kind)
    if isinstance(info, msgspec.inspect.UnionType):  # of a setting that may be missing
        info = info.types[0]
    match info:
        case msgspec.inspect.IntType(ge=least, le=most):
            return f"must be a whole number{_between('from', least, most)}"
        case msgspec.inspect.FloatType(gt=None, ge=least, le=most):
            return f"must be a number{_between('from', least, most)}"
        case msgspec.inspect.FloatType(gt=above, le=most):
            return f"must be a number{_between('above', above, most)}"
        case msgspec.inspect.LiteralType():
            return f"must be one of {', '.join(get_args(kind))}"
        case msgspec.inspect.StrType(pattern=str() as pattern):
            return f"must be a text like {pattern}"
        case _:
            return "must be a text"


def _between(word: str, least: float | None, most: float | None) -> str:
    if least is None:
        return ""
    return f" {word} {least:,} to {most:,}" if word == "from" else f" {word} {least:,} and at most {most:,}"
