"""All paths of the management API v4, by line."""

from __future__ import annotations

import re
from functools import cache
from urllib.parse import unquote

from lab.node.v4 import accounts, banned, clients, data, engine, evacuation, messages, mnesia, mnesia42, modules, nodes
from lab.node.v4.asked import Way
from lab.node.v4.line import LINES

_OF_ALL = (modules, nodes, clients, banned, accounts, messages, engine, data, evacuation)


class Ways:
    """Those of one line; the first path that fits wins."""

    def __init__(self, number: str) -> None:
        """``number`` is the line's."""
        parts = (*_OF_ALL, mnesia42 if LINES[number].one_kind else mnesia)
        self._rows = [(_pattern(way.path), way) for part in parts for way in part.WAYS]

    def find(self, method: str, path: str) -> tuple[Way, dict[str, str]] | None:
        """What answers, and the decoded parts of the path, which is still encoded; None where nothing does."""
        for pattern, way in self._rows:
            if way.method == method and (match := pattern.fullmatch(path)):
                return way, {name: unquote(value) for name, value in match.groupdict().items()}
        return None


def _pattern(path: str) -> re.Pattern[str]:
    parts = re.split(r"(\{\w+\})", path)
    return re.compile("".join(f"(?P<{one[1:-1]}>[^/]+)" if one.startswith("{") else re.escape(one) for one in parts))


@cache
def ways_of(number: str) -> Ways:
    """Those of a line."""
    return Ways(number)
