"""Measurements, one command each: `python -m benchmarks.training`, `.translation`, `.app`."""
