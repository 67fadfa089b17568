"""How far one distribution is from another, and what the codes of latent variables cost."""
