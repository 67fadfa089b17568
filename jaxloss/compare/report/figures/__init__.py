"""The figures of the report: style, plots on given axes, and panels with captions."""
