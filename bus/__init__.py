"""The bus: the wire, the rules of the broker, the broker itself, and the parts that every process and subscriber needs.
Imported by every package; tests/test_layers.py states the imports that each room may have.
Start with `PROTOCOL.md`.
"""
