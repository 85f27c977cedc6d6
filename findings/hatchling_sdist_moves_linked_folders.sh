#!/bin/bash
# hatchling 1.33.0: a source distribution has a folder once; if a link to it is walked first, it is only under the link's path.
#
# A project has the folders "alpha" and "omega", and a package "middle" with links to both. The source distribution includes all
# three. hatchling follows links, and remembers each folder that it has entered by its device and inode, so that no cycle of links
# keeps it for ever. The walk is alphabetical: "alpha" is taken at its own place, and its link is left out; but "omega" is reached
# by the link first, so its files are in middle/omega, and omega/ itself is missing. Nothing is printed. Whether a folder is in
# the archive depends on its name. Source of the rule: hatchling/builders/utils.py, safe_walk. `only-include`, which names each
# file or folder to walk, avoids the link.
#
# Seen: "archive: alpha/a.py middle/__init__.py middle/omega/o.py". Fails if that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" -q --disable-pip-version-check install hatchling==1.33.0
mkdir -p "$folder/project/alpha" "$folder/project/middle" "$folder/project/omega"
cd "$folder/project"
touch alpha/a.py omega/o.py middle/__init__.py
ln -s ../alpha middle/alpha
ln -s ../omega middle/omega
cat >pyproject.toml <<'T'
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "linked"
version = "1"

[tool.hatch.build.targets.sdist]
include = ["/alpha", "/middle", "/omega"]
T
"$folder/venv/bin/python" -m hatchling build -t sdist -d "$folder/dist" >/dev/null
found=$(tar tzf "$folder/dist/linked-1.tar.gz" | cut -d/ -f2- | grep '\.py$' | sort | tr '\n' ' ' | sed 's/ $//')
echo "archive: $found"
[ "$found" = "alpha/a.py middle/__init__.py middle/omega/o.py" ]
