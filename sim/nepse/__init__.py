"""The simulated exchange: its pages, its tokens and its faults.
Imported by sim and tests.
Start with `server.py`.
"""
