"""The page More: batch, compare, about."""
