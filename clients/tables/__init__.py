"""Numbered messages as tables: their columns, Arrow tables of their frames, export folders, and SQL over both.
Imported by `clients/history.py` and the command line.
Start with `columns.py`.
"""
