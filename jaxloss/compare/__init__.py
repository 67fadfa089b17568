"""Losses compared fairly on real data: `jaxloss compare`."""
