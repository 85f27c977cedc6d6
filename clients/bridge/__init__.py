"""The bridge between sites over NATS JetStream: ticks, tasks and configuration of this broker and of other sites.
Imported by the command line.
Start with `process.py`; the rules are in `spans.py`, `outgoing.py`, `incoming.py`, `held_tasks.py`, `shared_config.py`.
"""
