"""The gateway: WebSocket, the page, and what monitoring reads. PROTOCOL.md section 12.
Imported by the command line.
Start with `process.py`.
"""
