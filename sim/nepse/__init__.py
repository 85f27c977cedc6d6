"""The simulated exchange: its resources, tokens and injected faults.
Imported by sim and tests.
Start with `server.py`.
"""
