"""Match a topic against a filter as EMQX does; the one difference between places and versions is what begins with ``$``.

The rule kept here: a subscription is checked by its filter as if it were a topic; ``+`` and ``#`` match themselves.
"""

from __future__ import annotations

from collections.abc import Sequence

Words = tuple[str, ...]
NEVER = "\0"  # a word that no topic has: MQTT forbids U+0000


def words(topic: str) -> Words:
    """``a//b`` as ("a", "", "b")."""
    return tuple(topic.split("/"))


def matches(topic: Sequence[str], pattern: Sequence[str], *, loose: bool) -> bool:
    """Whether the words of a topic match those of a filter.

    Args:
        topic: what is asked for.
        pattern: the filter.
        loose: a leading wildcard matches ``$SYS`` too. So did emqx_topic:match/2 on lists of words (4.4's acl.conf, 5.x before
            5.8.1); on binaries, and since 5.8.1 always, it does not.

    """
    if not loose and pattern[0] in ("+", "#") and topic[0].startswith("$"):
        return False
    last = len(pattern) - 1
    for place, word in enumerate(pattern):
        if word == "#" and place == last:
            return True
        if place >= len(topic) or (word != "+" and word != topic[place]):
            return False
    return len(topic) == len(pattern)


DELAYED = "$delayed"


def behind_delay(topic: Sequence[str]) -> Words | None:
    """The words behind ``$delayed/N``, which 5.x asks for in place of the whole (emqx_access_control:authorize/3); None where it is no such topic."""
    return tuple(topic[2:]) if topic[0] == DELAYED else None


def begins_with_wildcard(topic: str) -> bool:
    """Whether a filter is one that may or may not match ``$SYS``."""
    return words(topic)[0] in ("+", "#")
