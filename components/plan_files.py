"""The plan as files, for a pull request and for the person on call: Markdown and JSON with the same content.

The rule: it is never an output of the stack, since it differs at every update and would be shown as a change. An update that is refused has a file
too: what a reviewer reads must not be the plan of the time before.
"""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

from components.conversion import APPENDIX
from components.cutover.outline_markdown import markdown, refused
from components.emqx.errors import BadInput, UpgradeError
from components.preview import Plan
from components.system.files import replace

VARIABLE = "EMQX_PLAN_FILE"
"""Names the file that a CI job wants, with or without its ending: ``plan.md`` and ``plan.json`` are written, and
beside them the account of a conversion (``plan-conversion.md``), of which the plan has the beginning."""


def write_plan(plan: Plan, work_directory: str, wanted: str | None) -> None:
    """Write the plan to the work directory (as far as it can be written) and to the place that ``wanted`` names.

    Raises:
        BadInput: ``wanted`` cannot be written.

    """
    documents = _documents(plan)
    with suppress(OSError):  # whoever has to work there says so
        _write(Path(work_directory) / "plan", *documents)
    _write_wanted(wanted, *documents, plan.account)


def write_refusal(refusal: UpgradeError, wanted: str | None) -> None:
    """Write why there is no plan to the place that ``wanted`` names.

    Raises:
        BadInput: it cannot be written.

    """
    _write_wanted(wanted, refused(str(refusal)), json.dumps({"refused": str(refusal)}, indent=1) + "\n")


def _documents(plan: Plan) -> tuple[str, str]:
    return markdown(plan.outline, plan.text), json.dumps({**plan.numbers, "text": plan.text}, indent=1) + "\n"


def _write_wanted(wanted: str | None, text: str, numbers: str, account: str = "") -> None:
    if not wanted:
        return
    try:
        _write(Path(wanted), text, numbers)
        if account:
            replace(Path(wanted).with_name(APPENDIX), account)
    except OSError as error:
        todo = "name a file that can be written, or unset it"
        raise BadInput(VARIABLE, seen=f"{wanted}: {error.strerror}", todo=todo) from None


def _write(place: Path, text: str, numbers: str) -> None:
    place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    replace(place.with_suffix(".md"), text)
    replace(place.with_suffix(".json"), numbers)
