"""Costs at growing sizes, and whether any of them grows worse than linearly: `python -m benchmarks scale`."""
