"""Losses of two classes by the margin, which is sign times score."""
