"""The statistics: model selection on validation data, and tests on test data."""
