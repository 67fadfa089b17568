"""The losses of jaxloss under the names and with the arguments of other libraries."""
