"""The display worker: which displays it has, how each is brought up, and what it publishes. PROTOCOL.md section 11.
Imported by workers and benchmarks.
Start with `worker.py`.
"""
