"""``python -m components.report JOURNAL --out DIR``: the report of the newest cutover in a journal, also long after it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from components.report.files import BadSummaryError, read_fleet, write_report
from components.report.numbers import NoCutoverError


def main(arguments: Sequence[str]) -> int:
    """Write the report and print its summary; 2 when there is nothing to report."""
    parser = argparse.ArgumentParser(prog="python -m components.report", description="The report of a cutover.")
    parser.add_argument("journal", type=Path, metavar="JOURNAL", help="journal.jsonl of the stack")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where report.json and report.html go")
    parser.add_argument("--run", metavar="TOKEN", help="a run of the cutover (default: the newest)")
    parser.add_argument("--fleet", type=Path, metavar="SUMMARY", help="the fleet's summary.json")
    parser.add_argument(
        "--fleet-log", type=Path, metavar="LOG", help="the fleet's event log, for gaps and connected devices"
    )
    given = parser.parse_args(arguments)
    if given.fleet_log is not None and given.fleet is None:
        parser.error("--fleet-log needs --fleet")
    try:
        fleet = read_fleet(given.fleet, given.fleet_log) if given.fleet is not None else None
        _, told = write_report(given.journal, given.out, run=given.run, fleet=fleet)
    except OSError as failed:
        sys.stderr.write(f"no report: {failed.filename}: {failed.strerror}\n")
        return 2
    except (NoCutoverError, BadSummaryError) as failed:
        sys.stderr.write(f"no report: {failed}\n")
        return 2
    sys.stdout.write(f"{told}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
