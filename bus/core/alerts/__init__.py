"""The arguments of the control services on alerts. Pure.
Imported by bus.core.security and the broker.
Start with `alert_requests.py`.
"""
