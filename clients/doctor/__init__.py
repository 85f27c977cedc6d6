"""The examination of an installation and its machine, for `hulak doctor`. The rules are in `checks`, and pure.
Imported by clients.cli.
Start with `read_all.py`.
"""
