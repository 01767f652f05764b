"""Generators and discriminators: layers, configuration, weights on disk."""
