"""What became of a 4.x colour's data on its way to the new one, as its conversion wrote it down.

The rule: counts, and the sentences that a person had to accept; all items stand in the manifest beside the archives.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from components.report.model import Conversion

_VERDICTS = ("carried", "changed", "dropped")


def conversion_of(events: Sequence[Mapping[str, Any]]) -> Conversion | None:
    """From the newest ``fact`` of a conversion; None without one, and where another program wrote it."""
    facts = [event for event in events if event["event"] == "fact" and event.get("section") == "conversion"]
    if not facts:
        return None
    said = facts[-1]
    try:
        counts = {verdict: sum(row[verdict] for row in said["tally"].values()) for verdict in _VERDICTS}
        return Conversion.model_validate(
            {
                **counts,
                "losses": said["losses"],
                "left_out": said["losses_left_out"],
                "not_given": said["not_given"],
                "proof": said["proof"],
                "manifest": said["manifest"],
            }
        )
    except (ValidationError, KeyError, TypeError, AttributeError):
        return None
