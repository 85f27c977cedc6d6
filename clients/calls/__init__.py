"""Clients that call and post tasks, blocking and with asyncio. PROTOCOL.md sections 4 and 6.
Imported by clients and benchmarks.
Start with `client.py`.
"""
