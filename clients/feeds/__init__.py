"""Feeds: from a venue or a file to numbered ticks on the bus.
Imported by clients.
Start with `process.py`.
"""
