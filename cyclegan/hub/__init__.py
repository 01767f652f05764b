"""The Hugging Face Hub: runs that come from it, runs and Spaces that go there."""
