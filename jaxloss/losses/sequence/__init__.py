"""Losses of labels that are not aligned with the input."""
