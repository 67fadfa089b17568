"""Classification: losses of logits, scores or probabilities over classes."""
