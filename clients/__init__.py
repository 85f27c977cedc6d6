"""Programs and libraries that use the bus: clients of tasks, displays and the exchange, feeds, gateway, command line.
Imported by users; within Hulak only benchmarks.
Start with `subscriber.py`.
"""
