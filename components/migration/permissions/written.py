"""Built-in users and rules of a conversion as 5.x decides by them, made login by login.

The rule kept here: what 100,000 logins have written stands in memory once, in the requests; what is made of it lasts as long as
it is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from components.migration.permissions.after import Rule, compile_row

SaltAndHash = tuple[bytes, bytes]


class Stored(Mapping[str, SaltAndHash]):
    """Salt and hash by login: as they are, or of a row that is sent (``salt``, ``password_hash``)."""

    def __init__(self, users: Mapping[str, SaltAndHash | Mapping[str, Any]]) -> None:
        """By login."""
        self._users = users

    def __getitem__(self, login: str) -> SaltAndHash:
        """Of one login."""
        one = self._users[login]
        return one if isinstance(one, tuple) else (one["salt"].encode(), one["password_hash"].encode())

    def __contains__(self, login: object) -> bool:
        """Whether there is such a user."""
        return login in self._users

    def __iter__(self) -> Iterator[str]:
        """All logins."""
        return iter(self._users)

    def __len__(self) -> int:
        """How many there are."""
        return len(self._users)


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
