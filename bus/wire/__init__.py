"""The bytes of PROTOCOL.md: messages, their encoding, limits and names. Pure.
Imported by every room.
Start with `messages.py`.
"""
