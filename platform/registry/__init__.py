"""What is made and kept: jobs, datasets, model versions, metrics."""
