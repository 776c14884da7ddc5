"""Whether two topic filters can mean one topic, and which logins have an allow and a deny that do; linear in ordinary rule sets."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

_PLACEHOLDER = re.compile(r"%(?:cida|cna|cn|dn|[ucaPCd])")
EVERYBODY = ("all", "")
"""The rows that are nobody's own concern every login."""
Who = tuple[str, str]


class Filters:
    """Topic filters as a tree of levels, to ask whether some topic fits one of them and another filter too.

    A level with a placeholder counts as ``+``: 4.4 fills in whole levels only, so this can find too much and never too little.
    """

    __slots__ = ("below", "ends")

    def __init__(self) -> None:
        """No filter yet."""
        self.below: dict[str, Filters] = {}
        self.ends = False

    def add(self, topic: str) -> None:
        """One more filter."""
        node = self
        for level in _levels(topic):
            node = node.below.setdefault(level, Filters())
        node.ends = True

    def meets(self, topic: str) -> bool:
        """Whether some topic is matched by ``topic`` and by one of these filters; a topic may have thousands of levels."""
        levels = _levels(topic)
        waiting: list[tuple[Filters, int]] = [(self, 0)]
        while waiting:
            node, at = waiting.pop()
            level = levels[at] if at < len(levels) else None
            if "#" in node.below or (level is None and node.ends) or level == "#":
                return True
            if level == "+":
                waiting += [(way, at + 1) for way in node.below.values()]
            elif level is not None:
                waiting += [(node.below[one], at + 1) for one in (level, "+") if one in node.below]
        return False


def _levels(topic: str) -> list[str]:
    return ["+" if _PLACEHOLDER.search(level) else level for level in topic.split("/")]


def contradictions(rows: Iterable[Mapping[str, Any]], section: str = "acl_mnesia") -> list[str]:
    """Each login, by its first deny, whose allow and deny overlap for one action; rows as 4.2 or as 4.3 and 4.4 write them."""
    granted: dict[tuple[Who | None, str], Filters] = defaultdict(Filters)
    denied: list[tuple[int, Who, Mapping[str, Any]]] = []
    for index, row in enumerate(rows):
        who = _who(row)
        if not _allows(row):
            denied.append((index, who, row))
            continue
        for action in _actions(row):
            granted[who, action].add(str(row.get("topic")))
            granted[None, action].add(str(row.get("topic")))
    places: dict[Who, str] = {}
    for index, who, row in denied:
        against = (None,) if who == EVERYBODY else (who, EVERYBODY)
        topic = str(row.get("topic"))
        if who not in places and any(
            (one, act) in granted and granted[one, act].meets(topic) for one in against for act in _actions(row)
        ):
            places[who] = f"{section}[{index}]"
    return list(places.values())


def _who(row: Mapping[str, Any]) -> Who:
    if "login" in row:
        return ("login", str(row["login"]))
    value = row.get("type_value")
    return EVERYBODY if value is None else (str(row.get("type")), str(value))


def _allows(row: Mapping[str, Any]) -> bool:
    return str(row.get("access", row.get("allow"))).lower() in {"allow", "true"}


def _actions(row: Mapping[str, Any]) -> tuple[str, ...]:
    action = str(row.get("action"))
    return ("pub", "sub") if action == "pubsub" else (action,)
