"""Whether two topic filters can mean one topic, and which logins have an allow and a deny that do."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

_PLACEHOLDER = re.compile(r"%(?:cida|cna|cn|dn|[ucaPCd])")
EVERYBODY = ("all", "")
"""The rows that are nobody's own concern every login."""


def overlap(one: str, two: str) -> bool:
    """Whether some topic is matched by both filters; a placeholder can be any one level."""
    return _overlap(
        *(
            [_PLACEHOLDER.sub("+", part) if _PLACEHOLDER.fullmatch(part) else part for part in text.split("/")]
            for text in (one, two)
        )
    )


def _overlap(one: Sequence[str], two: Sequence[str]) -> bool:
    for first, second in zip(one, two, strict=False):
        if "#" in {first, second}:
            return True
        if (
            first != second
            and "+" not in {first, second}
            and not (_PLACEHOLDER.search(first) or _PLACEHOLDER.search(second))
        ):
            return False
    longer = max(one, two, key=len)
    # "a/#" also matches "a", so one more level is allowed when it is the last "#".
    return len(one) == len(two) or (abs(len(one) - len(two)) == 1 and longer[-1] == "#")


def contradictions(rows: Iterable[Mapping[str, Any]], section: str = "acl_mnesia") -> list[str]:
    """Each login, by its first deny, whose allow and deny overlap for one action; rows as 4.2 or as 4.3 and 4.4 write them."""
    allowed: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    denied: dict[tuple[str, str], list[tuple[int, Mapping[str, Any]]]] = {}
    for index, row in enumerate(rows):
        if _allows(row):
            allowed.setdefault(_who(row), []).append(row)
        else:
            denied.setdefault(_who(row), []).append((index, row))
    places = []
    for who, denials in denied.items():
        grants = [*allowed.get(who, ()), *(allowed.get(EVERYBODY, ()) if who != EVERYBODY else ())]
        if who == EVERYBODY:
            grants = [row for some in allowed.values() for row in some]
        against = (index for index, row in denials if any(_same(row, grant) for grant in grants))
        places += [f"{section}[{index}]" for index in islice(against, 1)]
    return places


def _who(row: Mapping[str, Any]) -> tuple[str, str]:
    if "login" in row:
        return ("login", str(row["login"]))
    value = row.get("type_value")
    return EVERYBODY if value is None else (str(row.get("type")), str(value))


def _allows(row: Mapping[str, Any]) -> bool:
    return str(row.get("access", row.get("allow"))).lower() in {"allow", "true"}


def _same(one: Mapping[str, Any], two: Mapping[str, Any]) -> bool:
    """Whether both speak of one action and of topics in common."""
    actions = {str(one.get("action")), str(two.get("action"))}
    return (len(actions) == 1 or "pubsub" in actions) and overlap(str(one.get("topic")), str(two.get("topic")))
