"""The protocol of the FX front end, served by the gateway.
Imported by clients.gateway.
Start with `session.py`.
"""
