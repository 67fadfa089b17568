"""Generation: diffusion and flow models, critics, and penalties on gradients."""
