"""Backups: what an export holds, and what an import makes of it."""
