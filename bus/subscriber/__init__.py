"""A subscription that detects gaps and repairs them. PROTOCOL.md section 3.
Imported by workers, clients and benchmarks.
Start with `subscriber.py`.
"""
