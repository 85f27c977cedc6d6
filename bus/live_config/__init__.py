"""The live configuration: its keys, and which value counts for whom. Pure.
Imported by everybody but bus.wire.
Start with `keys.py`.
"""
