"""Losses of diffusion and flow models, the game of two networks, and penalties on gradients."""
