"""The rules by which messages are made of ticks; pure. PROTOCOL.md section 3.12.
Imported by clients.
Start with `derivation.py`.
"""
