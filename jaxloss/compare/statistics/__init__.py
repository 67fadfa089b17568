"""The statistics: what is chosen on validation data, and what chance explains on test data."""
