"""The tasks: data, models, noise and metrics."""
