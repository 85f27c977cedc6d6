"""The broker process: one loop, four sockets, one module for each group of control services.
Imported by `python -m hulak.bus`, `hulak bench tasks` and benchmarks.
Start with `loop.py`.
"""
