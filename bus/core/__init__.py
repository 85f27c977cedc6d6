"""The broker's rules: ticks, tasks, displays, configuration, reports; time is passed in as a number. Pure.
Imported by bus.broker and benchmarks.
Start with `broker_state.py`.
"""
