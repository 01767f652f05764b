"""Images as files, as tensors, and as the channels that a network sees."""
