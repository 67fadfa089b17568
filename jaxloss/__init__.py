"""Loss functions and objectives for JAX.

What is exported stands in `__init__.pyi` and is imported when it is first asked for, so that the
command line can show its help without waiting for JAX.
"""

import lazy_loader

__version__ = "0.1.0"

__getattr__, __dir__, _ = lazy_loader.attach_stub(__name__, __file__)

# `from jaxloss import *` leaves `jax.numpy.mean` what it is.
__all__ = [name for name in __dir__() if name != "mean"]
