"""The page Round trip."""
