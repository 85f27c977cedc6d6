"""The parts that every process needs: settings, sockets, log, signals, its report to the broker.
Imported by bus.subscriber, bus.broker, workers, clients, sim and benchmarks.
Start with `lifecycle.py`.
"""
