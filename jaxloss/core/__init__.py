"""What a loss and an objective are: signatures and domains, terms, reductions, masks."""
