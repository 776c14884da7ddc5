"""Whether two topic filters can mean one topic, and which logins have an allow and a deny that do; linear in ordinary rule sets."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

_PLACEHOLDER = re.compile(r"%(?:cida|cna|cn|dn|[ucaPCd])")
EVERYBODY = ("all", "")
"""The rows that are nobody's own concern every login."""
OLD_EVERYBODY = "$all"
"""The login of 4.2's rules for everybody (emqx-auth-mnesia, do_check_acl)."""
ANYBODY = ("any", "")
"""What everybody is denied stands against all that anybody is granted."""
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


def fills_in(topic: str) -> bool:
    """Whether 4.3 puts a name in place of a level of it."""
    return not {"%c", "%u"}.isdisjoint(topic.split("/"))


def contradictions(rows: Iterable[Mapping[str, Any]], section: str = "acl_mnesia") -> list[str]:
    """Each login, by its first deny, whose allow and deny overlap for one action; rows as 4.2 or as 4.3 and 4.4 write them."""
    listed = list(rows)
    denied = [(index, _who(row), row) for index, row in enumerate(listed) if not _allows(row)]
    granted = _granted(listed, {who for _, who, _ in denied})
    places: dict[Who, str] = {}
    for index, who, row in denied:
        against = (ANYBODY,) if who == EVERYBODY else (who, EVERYBODY)
        trees = [granted[one, action] for one in against for action in _actions(row) if (one, action) in granted]
        if who not in places and any(tree.meets(str(row.get("topic"))) for tree in trees):
            places[who] = f"{section}[{index}]"
    return list(places.values())


def _granted(rows: Iterable[Mapping[str, Any]], denied: set[Who]) -> dict[tuple[Who, str], Filters]:
    """What is granted, by login and action; only of those who are denied something, which is what keeps this small."""
    granted: dict[tuple[Who, str], Filters] = defaultdict(Filters)
    stood_against = denied | {EVERYBODY}
    for row in rows:
        who = _who(row)
        wanted = [who] if who in stood_against else []
        if EVERYBODY in denied:
            wanted.append(ANYBODY)
        for one in wanted if _allows(row) else ():
            for action in _actions(row):
                granted[one, action].add(str(row.get("topic")))
    return granted


def _who(row: Mapping[str, Any]) -> Who:
    if "login" in row:
        return EVERYBODY if row["login"] == OLD_EVERYBODY else ("login", str(row["login"]))
    value = row.get("type_value")
    return EVERYBODY if value is None else (str(row.get("type")), str(value))


def _allows(row: Mapping[str, Any]) -> bool:
    return str(row.get("access", row.get("allow"))).lower() in {"allow", "true"}


def _actions(row: Mapping[str, Any]) -> tuple[str, ...]:
    action = str(row.get("action"))
    return ("pub", "sub") if action == "pubsub" else (action,)
