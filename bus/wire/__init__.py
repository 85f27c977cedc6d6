"""The bytes of PROTOCOL.md: messages, their encoding, limits and names. Pure.
Imported by everybody.
Start with `messages.py`.
"""
