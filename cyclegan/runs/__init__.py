"""A run is one folder: what is in it, and what can be told from it."""
