"""Built-in rules of a conversion as 5.x decides by them, compiled login by login.

The rule kept here: what 100,000 logins have written stands once in memory, in the requests; of the compiled rules only those that are asked
for are there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from components.migration.permissions.after import Rule, compile_row


class Written(Mapping[tuple[str, str], Sequence[Rule]]):
    """Built-in rules by login, as they were written; those of a login are compiled whenever it is asked for, since most are asked for once."""

    def __init__(self, bodies: Mapping[str, Mapping[str, Sequence[Mapping[str, Any]]]]) -> None:
        """By kind and name.

        Raises:
            ValueError: as ``compile_topic``.

        """
        self._bodies = bodies
        for rules in (rules for named in bodies.values() for rules in named.values()):
            for rule in rules:
                compile_row(rule)

    def __getitem__(self, key: tuple[str, str]) -> Sequence[Rule]:
        """The rules of a login in their order."""
        kind, name = key
        return [compile_row(rule) for rule in self._bodies[kind][name]]

    def __contains__(self, key: object) -> bool:
        """Whether a login has rules, without a look at them."""
        return isinstance(key, tuple) and key[1] in self._bodies.get(key[0], ())

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """All logins."""
        return ((kind, name) for kind, named in self._bodies.items() for name in named)

    def __len__(self) -> int:
        """How many logins have rules."""
        return sum(map(len, self._bodies.values()))
