"""Reads journals and writes reports; a line that a killed process left torn is passed over, and counted by nobody."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from components.report.fleet import FleetPart, fleet_part
from components.report.html import page
from components.report.model import Report
from components.report.numbers import report_of
from components.report.terminal import summary
from components.system.files import own_directory, replace


class BadSummaryError(ValueError):
    """A file that is no summary of a fleet; the message names it."""


def read_lines(path: Path) -> Iterator[Mapping[str, Any]]:
    """The objects of a JSON lines file that have a time and an event.

    Raises:
        OSError: the file cannot be read.

    """
    with path.open(encoding="utf-8", errors="replace") as lines:
        yield from events(lines)


def events(lines: Iterable[str]) -> Iterator[Mapping[str, Any]]:
    """Those of the lines that are an object with a time and an event."""
    for line in lines:
        try:
            found = json.loads(line)
        except ValueError:
            continue
        if isinstance(found, dict) and isinstance(found.get("t"), int | float) and isinstance(found.get("event"), str):
            yield found


def read_fleet(summary_path: Path, log_path: Path | None = None) -> FleetPart:
    """The fleet's part from its ``summary.json`` and, where there is one, its event log.

    Raises:
        BadSummaryError: the summary is not what a fleet writes.
        OSError: a file cannot be read.

    """
    try:
        told = json.loads(summary_path.read_text(encoding="utf-8"))
        return fleet_part(told, read_lines(log_path) if log_path is not None else ())
    except (ValueError, TypeError, KeyError, AttributeError) as wrong:
        # what was wrong is not quoted: the person gave another file
        raise BadSummaryError(f"{summary_path}: not the summary.json of a fleet ({type(wrong).__name__})") from None


def write_report(
    journal: Path, directory: Path, *, run: str | None = None, fleet: FleetPart | None = None
) -> tuple[Report, str]:
    """Write ``report.json`` and ``report.html`` into the directory; returns the report and its summary for the terminal.

    Raises:
        NoCutoverError: the journal has none.
        OSError: a file cannot be read or written.

    """
    report = report_of(read_lines(journal), run=run, fleet=fleet)
    own_directory(directory)
    replace(directory / "report.json", json.dumps(report.model_dump(mode="json"), indent=1) + "\n")
    replace(directory / "report.html", page(report))
    return report, f"{summary(report)}\n  report       {directory / 'report.html'}"
