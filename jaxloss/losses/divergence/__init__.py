"""Divergence: how far one distribution is from another, and codes of latent variables."""
