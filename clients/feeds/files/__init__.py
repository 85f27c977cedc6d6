"""Files of ticks: their content shows their format, and several are merged in the order of their times.
Imported by feeds and the command line.
Start with `registry.py`.
"""
