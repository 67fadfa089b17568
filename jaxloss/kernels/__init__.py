"""How sums over examples, pairs, windows, chunks and sorted arrays are computed in bounded memory."""
