"""What a command says when it cannot do what was asked."""

import sys


def fail(command: str, reason: object, code: int = 2) -> int:
    """Print why the command failed, for the eye and not for a pipe; returns the exit code."""
    print(f"{command}: {reason}", file=sys.stderr)
    return code
