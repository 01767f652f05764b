"""Facade label maps: their classes and colours, and invented ones."""
