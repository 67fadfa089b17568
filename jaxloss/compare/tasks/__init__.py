"""The tasks: what is trained on, how it is spoilt, and how success is measured."""
