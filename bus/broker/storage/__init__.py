"""The broker's files on disk: the tick journal and the database of tasks, displays and configuration.
Imported by bus.broker, `hulak journal` and benchmarks.
Start with `journal.py`.
"""
