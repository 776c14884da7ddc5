"""Looking at a running update from anywhere; it only reads."""
