"""What pytest leaves alone, and how its time is spent."""

import gc
import os

# The suite compiles thousands of small functions and runs each a few times, with a large heap.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
gc.set_threshold(200_000, 50, 100)

collect_ignore = ["torch_values.py"]  # a script that needs PyTorch, which is no dependency
