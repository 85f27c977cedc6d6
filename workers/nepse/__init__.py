"""The service `nepse`: actions, endpoints, tokens and politeness towards the exchange.
Imported by workers.
Start with `actions.py`.
"""
