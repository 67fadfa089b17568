"""Drop-in replacements: the losses of jaxloss with the names and arguments of other libraries."""
