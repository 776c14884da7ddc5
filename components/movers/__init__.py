"""The movers, one module each: what takes clients off a colour, at a rate, and counts whom."""
