"""Images: losses of structure, roughness and style."""
