"""JSON of a person's file, read so that nothing in it is lost unsaid: no NaN, and no key that stands twice in one object."""

from __future__ import annotations

import json
from typing import Any

from components.migration.manifest import BadSource

_SHARED = {word: word for word in ("username", "clientid", "all", "pub", "sub", "pubsub", "allow", "deny")}
"""Words that stand in each of 100,000 rules: one text of each is enough, and not 20 MB of them."""


def parse(file: str, text: str, remedy: str) -> Any:
    """Read JSON.

    Raises:
        BadSource: truncated, no JSON, nested too deep, or a key twice in one object.

    """
    try:
        return json.loads(text, parse_constant=_no_constant, object_pairs_hook=_unique)
    except _DoubleKeyError as error:
        seen = "a key that stands twice in one object; one of the two would be lost"
        raise BadSource(file, str(error), seen, remedy) from None
    except (ValueError, RecursionError) as error:
        place = f"line {error.lineno}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
        raise BadSource(file, place, "no JSON; the file may be truncated", remedy) from None


class _DoubleKeyError(Exception):
    """The key."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object, of which Python would keep only the last of a key."""
    row = {key: _SHARED.get(value, value) if type(value) is str else value for key, value in pairs}
    if len(row) < len(pairs):
        names = [name for name, _ in pairs]
        raise _DoubleKeyError(next(name for name in row if names.count(name) > 1))
    return row


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")
