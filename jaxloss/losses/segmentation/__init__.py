"""Segmentation: losses of regions, as sets of pixels."""
