"""The checks of `hulak doctor`: facts in, results with advice out. Pure.
Imported by clients.doctor and clients.cli.
Start with `facts.py`; `all_checks.py` has the list.
"""
