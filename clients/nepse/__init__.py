"""Clients of the exchange: one method for each action of the service `nepse`, blocking and with asyncio.
Imported by users and the command line.
Start with `client.py`.
"""
