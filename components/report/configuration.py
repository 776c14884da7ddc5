"""In what the colours' configurations differed at the end of a cutover's import.

The rule: all of it, however much, since an update shows only the beginning; what another program's journal says otherwise is not known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import TypeAdapter, ValidationError

from components.migration.unlike import Unlike
from components.report.model import Configuration

_THINGS = TypeAdapter(tuple[Unlike, ...])


def configuration_of(events: Sequence[Mapping[str, Any]]) -> Configuration | None:
    """From the newest ``fact`` of an import; None without one, and where it could not be compared."""
    facts = [event for event in events if event["event"] == "fact" and event.get("section") == "import"]
    try:
        things = _THINGS.validate_python(facts[-1].get("configuration") if facts else None)
    except ValidationError:
        return None
    grave = sum(one.grave for one in things)
    return Configuration(grave=grave, others=len(things) - grave, things=things)
