"""What the broker decides: ticks, tasks, displays, configuration, reports; time comes as a number. Pure.
Imported by bus.broker and benchmarks.
Start with `broker_state.py`.
"""
