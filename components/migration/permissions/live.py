"""Questions for live clusters, chosen from what an old one decides by: few, and so that each rule decides one of them.

The rule kept here: nothing is asked that could reach a device. A publish is only asked for where the old cluster denies it, so that a message
comes through only on a new cluster that lost the deny, and nobody is there yet.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest
from typing import NamedTuple

from components.migration.permissions.before import Before
from components.migration.permissions.client import Access, Action, Client
from components.migration.permissions.questions import deciding, spelled

MOST = 200
"""Each is a connection to every node: some seconds in all."""


class LiveQuestion(NamedTuple):
    """What a client (its place among those that were given) asks for, and whether the old cluster would let it, by its data."""

    client: int
    action: str
    topic: str
    expected: bool


def chosen(old: Before, clients: Sequence[Client], most: int = MOST) -> list[LiveQuestion]:
    """The questions of all clients in turn, those first for which the order of rules decides; at most so many."""
    each = [list(_of(old, number, client, most)) for number, client in enumerate(clients)]
    turns = (question for turn in zip_longest(*each) for question in turn if question is not None)
    return [question for _, question in zip(range(most), turns, strict=False)]


def _of(old: Before, number: int, client: Client, most: int) -> Iterator[LiveQuestion]:
    count = 0
    for topic in dict.fromkeys(_topics(old, client)):
        for action in (Action.SUBSCRIBE, Action.PUBLISH):
            access, is_known = old.ask(client, action, topic)
            has_wildcard = not {"+", "#"}.isdisjoint(topic.split("/"))
            if not is_known or (action is Action.PUBLISH and (access is Access.ALLOW or has_wildcard)):
                continue
            yield LiveQuestion(number, str(action), topic, access is Access.ALLOW)
            count += 1
            if count == most:
                return


def _topics(old: Before, client: Client) -> Iterator[str]:
    keys = [("clientid", client.clientid), ("username", client.username or ""), ("all", "")]
    for key in keys:
        yield from deciding(old, key)
    patterns: Iterable[str] = [row.topic for key in keys for row in old.rows.get(key, ())]
    named = ["/".join(topic.words) for rule in old.file_rules for topic in rule.topics or ()]
    for pattern in [*patterns, *named]:
        yield from spelled(pattern, client)
