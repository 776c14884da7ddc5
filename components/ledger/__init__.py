"""What a cutover remembers, where the balancer is; a value counts only under the lease of the run that writes it."""
