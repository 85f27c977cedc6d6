"""The libraries of the extras, imported when they are needed; the error says which extra to install."""

from importlib import import_module
from typing import Any

from hulak.bus.errors import ConfigError


def need(module: str, extra: str, what: str) -> Any:
    """Import and return a module of an extra.

    Args:
        module: its name.
        extra: of the package `hulak`.
        what: that needs it, the subject of the error's sentence.
    Raises:
        ConfigError: it, or a module that it needs, is not installed.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise ConfigError(f"{what} needs {module.partition('.')[0]}: pip install 'hulak[{extra}]' ({error})") from error


def need_arrow(what: str) -> None:
    """Check that Arrow tables can be made. Raises ConfigError: pyarrow or numpy is not installed."""
    need("numpy", "parquet", what)
    need("pyarrow.parquet", "parquet", what)
