"""Divergences between distributions, and losses of models with latent variables."""
