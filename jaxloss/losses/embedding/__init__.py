"""Embedding: losses of vectors that belong together or apart."""
