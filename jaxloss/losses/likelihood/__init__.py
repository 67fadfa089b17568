"""Negative log-likelihoods of targets under predicted distributions."""
