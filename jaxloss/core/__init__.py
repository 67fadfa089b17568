"""What a loss and an objective are: signatures and domains, terms, reductions, masks."""

from jaxloss.core import domains as domains
