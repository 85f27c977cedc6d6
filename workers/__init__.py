"""Worker processes: the machinery that carries out tasks, and the services `nepse` and `display`.
Imported by the command line and benchmarks.
Start with `services.py`.
"""
