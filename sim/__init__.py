"""Simulators: venues and the exchange, for the demo and for tests.
Imported by the command line and tests.
Start with `venue.py`.
"""
