#!/bin/bash
# nepse-client 0.1.4: two methods need Django, which the package does not require, and fail before they ask the exchange.
#
# The package reads the Nepal Stock Exchange, and its metadata name httpx, pywasm and tqdm. `getCompanyNewsList` and
# `getNewsAndAlertList` import a function of Django that removes tags from HTML, also when `is_strip_tags` is False. Whoever
# catches the library's errors of the network gets a ModuleNotFoundError instead, at the first call and not at the import.
#
# Seen: "required: httpx, pywasm, tqdm; getCompanyNewsList: No module named 'django'", and the same for the other method.
# Fails if that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" -q --disable-pip-version-check install nepse-client==0.1.4
"$folder/venv/bin/python" - <<'P'
import re
from importlib.metadata import requires

from nepse_client.sync_client import NepseClient

required = sorted({re.match(r"[\w-]+", line)[0] for line in requires("nepse-client") if "extra ==" not in line})
client = NepseClient.__new__(NepseClient)  # without its session: nothing is asked
for name in ("getCompanyNewsList", "getNewsAndAlertList"):
    try:
        getattr(client, name)(is_strip_tags=False)
    except ModuleNotFoundError as error:
        print(f"required: {', '.join(required)}; {name}: {error}")
        assert error.name == "django", "another module is missing now"
    else:
        raise AssertionError(f"{name} needs no further module now")
P
