"""The page More: batch, compare, curves, about, API."""
