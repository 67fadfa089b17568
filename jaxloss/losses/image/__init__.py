"""Losses of images: of their structure, their roughness and their style."""
