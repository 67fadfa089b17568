"""Losses of logits, scores or probabilities over classes."""
