"""Reductions that look at more than the mean: the worst examples, the easiest, groups."""
