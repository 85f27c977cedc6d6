"""The quantities of a display, computed from its symbol's ticks: one module for each. Pure.
Imported by workers.display and benchmarks.
Start with `state.py`.
"""
