"""What an alert may be: the arguments of its control services. Pure.
Imported by bus.core.security and the broker.
Start with `alert_requests.py`.
"""
