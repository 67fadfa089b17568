"""The figures of the report: their style, what is drawn on axes, and the panels with captions."""
