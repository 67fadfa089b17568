"""Losses of the regions of an image, as sets of pixels."""
