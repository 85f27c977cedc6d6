"""Rules of ticks: intake, topics, subscriptions, replays. Pure.
Imported by bus.core and bus.broker.
Start with `intake.py`.
"""
