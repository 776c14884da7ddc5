"""Evacuation and rebalance: what the operator does to clients on their nodes."""
