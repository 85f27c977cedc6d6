"""Settings: read from hulak.toml, overridden by variables, then by options; wrong ones are refused at the start.

Precedence, highest first: options of a command, `HULAK_<SECTION>__<NAME>` variables, the file, the defaults here.
The file is the first of: `--config`/`HULAK_CONFIG`, `<home>/hulak.toml`, `/etc/hulak/hulak.toml`, the one shipped in `etc/`.
Every setting, with its unit and default, also stands in `etc/hulak.toml`; a test keeps the two equal.
"""

import ipaddress
import os
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AnyHttpUrl, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
