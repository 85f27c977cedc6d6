"""What a display shows, computed from its symbol's ticks: one module for each quantity. Pure.
Imported by workers.display and benchmarks.
Start with `state.py`.
"""
