"""The losses: a folder a field, a file a family."""
