"""Clients of displays: create, change, read and remove them. PROTOCOL.md section 11.
Imported by clients.
Start with `client.py`.
"""
