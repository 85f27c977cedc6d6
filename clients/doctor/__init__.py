"""What `hulak doctor` examines: an installation and its machine. The facts are read here, the rules are in `checks`, and pure.
Imported by clients.cli.
Start with `read_all.py`.
"""
