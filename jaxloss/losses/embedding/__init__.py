"""Losses of vectors that belong together or apart."""
