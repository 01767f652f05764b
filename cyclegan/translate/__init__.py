"""Images through the generators of a run, and past its discriminators."""
