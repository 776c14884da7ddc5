"""Who stops, starts and copies single nodes of a cluster: the seam by which a roll, a backup and a leaving node are the same code on every target."""
