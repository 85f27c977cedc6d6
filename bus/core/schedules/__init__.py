"""Rules of schedules: due times, trading days, and the runs of what is due. Pure.
Imported by bus.core and bus.broker.
Start with `schedule_runs.py`.
"""
