"""Settings that stand in the environment of a node: one module for each way in which people write it, and one registry of them."""
