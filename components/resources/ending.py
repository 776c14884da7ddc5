"""The end of a chain, whatever the strategy: the journal is closed, and the report of the whole run is written and shown.

The rule: only the last link calls it, when all that it has to do is done.
"""

from __future__ import annotations

from pathlib import Path

from components.report.files import write_report
from components.resources.link import LinkInputs
from components.run.run import Run


def tell(run: Run, inputs: LinkInputs) -> None:
    """Write ``report.json`` and ``report.html`` beside the journal, and show the summary."""
    run.record("end", outcome="done", to=inputs.to)
    directory = Path(inputs.work_directory)
    _, summary = write_report(directory / "journal.jsonl", directory / "report", run=run.token)
    for line in summary.splitlines():
        run.progress(line)
