"""What pytest leaves alone."""

collect_ignore = ["torch_values.py"]  # a script that needs PyTorch, which is no dependency
