"""The service `nepse`: actions, endpoints, tokens, and rate limits for the exchange.
Imported by workers.
Start with `actions.py`.
"""
