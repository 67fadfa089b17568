"""How sums over pairs, windows, chunks and sorted arrays are computed in bounded memory."""
