"""The sweep: one compiled program trains any contender on all trials at once."""
