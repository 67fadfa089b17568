"""Loss functions and objectives for JAX.

What is exported stands in `__init__.pyi` and is imported when it is first asked for, so that the
command line can show its help without waiting for JAX.
"""

import lazy_loader

__version__ = "0.1.0"

_exported, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

# `from jaxloss import *` leaves `jax.numpy.mean` what it is.
__all__ = [name for name in __all__ if name != "mean"]


def __getattr__(name: str) -> object:
    """What is exported by this name; of another library's name, the error says what it is here."""
    try:
        return _exported(name)
    except AttributeError:
        if name.startswith("_") or name in __dir__():
            raise
        from jaxloss.unknown_names import answer  # here, for nobody else waits for it

        # Without `obj`, or Python would add a guess of its own to what is printed.
        raise AttributeError(answer(name, __dir__()), name=name) from None
