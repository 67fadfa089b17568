"""Binary classification by the margin: losses of sign times score."""
