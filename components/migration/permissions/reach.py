"""4.4 as 5.x is held against: a delayed message is asked for by the topic behind its delay."""

from __future__ import annotations

from dataclasses import dataclass

from components.migration.permissions.before import Before
from components.migration.permissions.client import Access, Action, Client
from components.migration.permissions.topics import behind_delay, words


@dataclass(frozen=True)
class Reach(Before):
    """What 5.x is held against: it asks for the topic behind a delay, so that one who may publish now is one who may do so later."""

    def ask(self, client: Client, action: Action, topic: str) -> tuple[Access, bool]:
        """As ``judge``; a delay opens no topic, so ``$delayed/N/t`` is allowed where ``t`` is."""
        was, behind = self.judge(client, action, topic), behind_delay(words(topic))
        if not behind or was[0] is Access.ALLOW:
            return was
        then, known = self.judge(client, action, "/".join(behind))
        return then, known and was[1]
