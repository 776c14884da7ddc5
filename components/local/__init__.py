"""Clusters and balancer as processes of one machine (target `local`), found again by what stands in the work directory."""
