"""Losses of the scores of items that have an order."""
