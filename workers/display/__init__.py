"""The display worker: its displays, their backfill and checkpoints, and the states that it publishes. PROTOCOL.md section 11.
Imported by workers and benchmarks.
Start with `worker.py`.
"""
