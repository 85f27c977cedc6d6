"""The feed of the Nepal Stock Exchange: asks the NEPSE workers for prices and publishes them as ticks.
Imported by clients.
Start with `feed.py`.
"""
