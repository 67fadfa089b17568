"""Sizes of arrays: integers, or symbols where `jax.export` leaves them open.

JAX computes with symbols as with integers, but which of two is larger it may not know before the
program runs. What is merely quicker, or holds less, for some sizes asks here first.
"""


def is_known(*sizes: object) -> bool:
    """Whether all of these sizes are integers."""
    return all(isinstance(size, int) for size in sizes)
