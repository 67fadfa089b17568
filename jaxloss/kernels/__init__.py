"""How sums over examples, pairs, windows and chunks are made in few passes and bounded memory."""
