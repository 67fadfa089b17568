"""The command line: what its options are, and plain calls of the rest of the package."""
