"""Rules of keys: the peers that may connect, their roles, and the connections that end when keys change. Pure.
Imported by bus.core and bus.broker.
Start with `key_table.py`.
"""
