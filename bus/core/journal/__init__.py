"""Rules of the tick journal: records, indexes, names of segments, what is let go. Pure.
Imported by bus.core, bus.broker and `hulak journal`.
Start with `record_format.py`.
"""
