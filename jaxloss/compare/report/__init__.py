"""The report of a run: an HTML page, tables of Markdown, and text on the terminal."""
