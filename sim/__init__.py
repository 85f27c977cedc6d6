"""Simulators of venues and of the exchange, for the demo and for tests.
Imported by the command line and tests.
Start with `venue.py`.
"""
