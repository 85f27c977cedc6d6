"""The venues' dialects: how to subscribe at each venue, and how to parse its messages. Pure.
Imported by clients.feeds.
Start with `dialect.py`.
"""
