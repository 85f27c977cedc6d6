"""The bridge between sites over NATS JetStream: ticks and tasks of this broker, and those of other sites.
Imported by the command line.
Start with `process.py`; the rules are in `spans.py`, `outgoing.py` and `incoming.py`, for tasks in `held_tasks.py`.
"""
