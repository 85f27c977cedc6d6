"""Rules of the tick journal: records, indexes, names of segments, retention. Pure.
Imported by bus.core, bus.broker and `hulak journal`.
Start with `record_format.py`.
"""
