"""Health of all processes: one judge for `hulak check`, `top`, `status`, `up`, the page, `/readyz` and `/metrics`.
Imported by clients.cli and clients.gateway.
Start with `situations.py`.
"""
