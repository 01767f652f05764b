"""What is trained on: datasets, their downloads, batches."""
