"""What pytest leaves alone, and how it compiles."""

import os

# The suite compiles thousands of small functions and runs each a few times.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")

collect_ignore = ["torch_values.py"]  # a script that needs PyTorch, which is no dependency
