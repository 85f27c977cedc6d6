"""Topics that are made of ticks: bars, conflated ticks and the quality of symbols, and the process that makes them.
Imported by clients.
Start with `process.py`.
"""
