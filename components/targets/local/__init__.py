"""Target `local`: clusters and balancer as processes of this machine, found again by what stands in the work directory."""
