"""Rules of tasks and workers: queue, attempts, lost workers, retries. Pure.
Imported by bus.core and bus.broker.
Start with `dispatcher.py`.
"""
