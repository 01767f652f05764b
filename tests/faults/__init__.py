"""What can go wrong, made to go wrong: see docs/reliability.md."""
