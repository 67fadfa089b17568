"""Likelihood: negative log-densities of predicted distributions."""
