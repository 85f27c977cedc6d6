"""The conformance kit: a fake broker that judges the subscriber, feed, client or worker of any language by bus/PROTOCOL.md.
Imported by clients.cli.
Start with `runner.py`.
"""
