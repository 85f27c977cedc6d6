"""Venues' dialects: what is asked of each venue, and what its messages say. Pure.
Imported by clients.feeds.
Start with `dialect.py`.
"""
