"""What things cost at growing size, and whether any of it grows worse than linear: `python -m benchmarks scale`."""
