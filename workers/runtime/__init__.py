"""The runtime of a worker of any service: session, task thread, failures, forks.
Imported by workers.
Start with `worker.py`.
"""
