"""Risk measures: reductions that emphasise the worst or the easiest examples, and groups."""
