"""Where clusters live, one room for each target; whatever starts, finds and ends them is here."""
