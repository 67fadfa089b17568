"""The report: what was found, as a page, as tables of Markdown, and on the terminal."""
