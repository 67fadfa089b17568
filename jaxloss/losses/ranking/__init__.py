"""Ranking: losses of items that have an order."""
