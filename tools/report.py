"""The report of a stack's newest cutover as text (`python -m tools.report --stack dev`), for a terminal and for a job's summary.

The rule: an update that moved nobody has none, and that is no failure.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import yaml

from components.report.files import write_report
from components.report.numbers import NoCutoverError


def main(arguments: list[str] | None = None) -> int:
    """Print it."""
    parser = argparse.ArgumentParser(prog="python -m tools.report", description=__doc__)
    parser.add_argument("--stack", required=True)
    stack = parser.parse_args(arguments).stack
    work = work_directory(stack)
    try:
        _, told = write_report(work / "journal.jsonl", work / "report")
    except (FileNotFoundError, NoCutoverError):
        told = f"stack {stack}: no cutover was made here"
    sys.stdout.write(f"```text\n{told}\n```\n")
    return 0


def work_directory(stack: str) -> Path:
    """Where the stack works, as its file says; else where the program would."""
    place = Path("stacks") / f"Pulumi.{stack}.yaml"
    found = yaml.safe_load(place.read_text(encoding="utf-8")) if place.exists() else {}
    return Path((found.get("config") or {}).get("emqx:workDirectory") or f".emqx/{stack}")


if __name__ == "__main__":
    sys.exit(main())
