"""The bridge between sites: ticks of this broker into NATS JetStream, and those of other sites into this broker.
Imported by the command line.
Start with `process.py`; the rules are in `spans.py`, `outgoing.py` and `incoming.py`.
"""
