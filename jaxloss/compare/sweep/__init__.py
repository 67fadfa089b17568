"""The sweep: every contender trained on every trial, as one compiled program each."""
