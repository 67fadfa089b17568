"""Losses of the difference between a prediction and a real target."""
