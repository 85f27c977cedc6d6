"""The live configuration: its keys, and the value that applies to each process. Pure.
Imported by every room but bus.wire.
Start with `keys.py`.
"""
