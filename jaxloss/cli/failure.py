"""How a command fails: a line on standard error, and an exit code."""

import sys


def fail(command: str, reason: object, code: int = 2) -> int:
    """Print the reason to standard error, which no pipe reads; returns the exit code."""
    print(f"{command}: {reason}", file=sys.stderr)
    return code
