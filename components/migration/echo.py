"""Bridges that would answer themselves: what comes in is republished, a republished message runs rules again, and the rule that forwards sends it back.

On 4.4 the two directions of a bridge did not meet: its subscriptions publish past its forwards. The rule kept here: a topic counts in both
directions only where the mount points let it come round.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from components.migration.permissions.overlap import Filters

BRIDGE = re.compile(
    r"bridge\.mqtt\.([\w-]+)\.(forwards|forward_mountpoint|receive_mountpoint|subscription\.\w+\.topic)"
)
_VARIABLE = re.compile(r"[^/]*\$\{[^}]*\}[^/]*")


def forwards_of(text: str) -> list[str]:
    """The topics of a bridge's ``forwards``."""
    return [topic.strip() for topic in text.split(",") if topic.strip()]


def coming_round(forwards: Iterable[str], sent_below: str, received: Iterable[str], put_below: str) -> list[str]:
    """The topics of ``forwards`` whose messages would come back and be sent again.

    Args:
        forwards: local topics that are sent to the other broker.
        sent_below: what is put before them there.
        received: topics of the other broker that are published here.
        put_below: what is put before them here.

    """
    here, there = Filters(), Filters()
    for topic in received:
        here.add(_plain(put_below + topic))
        there.add(_plain(topic))
    return [one for one in forwards if here.meets(_plain(one)) and there.meets(_plain(sent_below + one))]


def _plain(topic: str) -> str:
    """A filter in which a level with a variable may be anything."""
    return _VARIABLE.sub("+", topic)


def echoes(settings: Mapping[str, str]) -> dict[str, list[str]]:
    """Bridges of a 4.4 that would do so, by name, each with its topics; ``settings`` are keys with the values that count."""
    bridges: dict[str, dict[str, str]] = {}
    for key, value in settings.items():
        found = BRIDGE.fullmatch(key)
        if found:
            bridges.setdefault(found[1], {})[found[2]] = value
    rounds = {
        name: coming_round(
            forwards_of(one.get("forwards", "")),
            one.get("forward_mountpoint", ""),
            [topic for key, topic in one.items() if key.startswith("subscription.")],
            one.get("receive_mountpoint", ""),
        )
        for name, one in bridges.items()
    }
    return {name: topics for name, topics in rounds.items() if topics}
