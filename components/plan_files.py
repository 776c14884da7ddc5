"""The plan as files, for a pull request and for the person on call: Markdown and JSON with the same content.

The rule: it is never an output of the stack, since it differs at every update and would be shown as a change.
"""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

from components.emqx.errors import BadInput
from components.preview import Plan
from components.system.files import replace

VARIABLE = "EMQX_PLAN_FILE"
"""Names the file that a CI job wants, with or without its ending: ``plan.md`` and ``plan.json`` are written."""


def write_plan(plan: Plan, work_directory: str, wanted: str | None) -> None:
    """Write the plan to the work directory (as far as it can be written) and to the place that ``wanted`` names.

    Raises:
        BadInput: ``wanted`` cannot be written.

    """
    with suppress(OSError):  # whoever has to work there says so
        _write(Path(work_directory) / "plan", plan)
    if wanted:
        try:
            _write(Path(wanted), plan)
        except OSError as error:
            todo = "name a file that can be written, or unset it"
            raise BadInput(VARIABLE, seen=f"{wanted}: {error.strerror}", todo=todo) from None


def _write(place: Path, plan: Plan) -> None:
    place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    head, _, rest = plan.text.partition("\n")
    replace(place.with_suffix(".md"), f"# {head}\n\n```text\n{rest}\n```\n" if rest else f"# {head}\n")
    replace(place.with_suffix(".json"), json.dumps(plan.numbers, indent=1) + "\n")
