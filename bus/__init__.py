"""The bus: the wire, what the broker decides, the broker itself, and what every process and subscriber needs.
Imported by every package; what each room may import stands in tests/test_layers.py.
Start with `PROTOCOL.md`.
"""
