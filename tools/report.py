"""The report of a stack's newest cutover as text (`python -m tools.report --stack dev`), for a terminal and for a job's summary.

The rule: an update that moved nobody has none, and that is no failure; another machine's journal is fetched from its place first.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path
from typing import Any

import yaml

from components.report.files import write_report
from components.report.numbers import NoCutoverError
from components.run.keeping import Places, fetch


def main(arguments: list[str] | None = None) -> int:
    """Print it."""
    parser = argparse.ArgumentParser(prog="python -m tools.report", description=__doc__)
    parser.add_argument("--stack", required=True)
    stack = parser.parse_args(arguments).stack
    config = _config(stack)
    work = Path(config.get("emqx:workDirectory") or f".emqx/{stack}")
    place = config.get("emqx:journal")
    asyncio.run(fetch(Places(journal=place if isinstance(place, str) else ""), work, _warn))
    try:
        _, told = write_report(work / "journal.jsonl", work / "report")
    except (FileNotFoundError, NoCutoverError):
        told = f"stack {stack}: no cutover was made here"
    sys.stdout.write(f"```text\n{told}\n```\n")
    return 0


def _config(stack: str) -> dict[str, Any]:
    """What the stack's file sets; nothing where there is none."""
    place = Path("stacks") / f"Pulumi.{stack}.yaml"
    found = yaml.safe_load(place.read_text(encoding="utf-8")) if place.exists() else {}
    return (found or {}).get("config") or {}


def _warn(line: str) -> None:
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main())
