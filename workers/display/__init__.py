"""What a display shows, computed from its symbol's ticks; one file per quantity, all pure. `state.py` puts them together."""
