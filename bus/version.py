"""The version of this package: that of pyproject.toml. A constant, since reading the installed package's metadata costs every
process 30 ms at its start."""

VERSION = "0.1.0"
