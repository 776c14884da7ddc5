"""What both sides are asked: strangers and everybody with a login, for the topics of their rules, of everybody's, and those that are used."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import chain, islice, product

from components.migration.permissions.before import Before
from components.migration.permissions.client import Action, Client
from components.migration.permissions.compare import Question

COMMON_TOPICS = 200  # of those that are for everybody, asked for each login; fewer where there are many logins
FEWEST_COMMON = 2
QUESTIONS_OF_A_TOPIC = 12
MOST_LETTERS = 65_535
"""Of a topic of MQTT, in bytes; no client can ask for a longer one."""
PAIRS = 2000  # of rules of one login that are looked at for a topic in common
STRANGERS = (
    Client("stranger-1"),
    Client("stranger-2", "stranger"),
    *(Client(name, name) for name in ("+", "#", "a/b")),
    Client("local", None, "127.0.0.1"),
)


def questions(old: Before, topics: Iterable[str], most: int) -> Iterator[Question]:
    """Strangers and everybody with a login, each for the topics of its own rules and for those that are for all."""
    filters = dict.fromkeys([*_file_topics(old), *_own(old, ("all", "")), *topics]) or ["a/topic"]
    share = most // (sum(1 for _ in _logins(old)) * QUESTIONS_OF_A_TOPIC + 1)
    common = list(filters)[: max(FEWEST_COMMON, min(COMMON_TOPICS, share))]
    for client in STRANGERS:
        yield from _ask(client, [*deciding(old, ("all", "")), *filters, *_all_rows(old, COMMON_TOPICS)])
    for key in _logins(old):
        kind, value = key
        client = Client(value, "somebody") if kind == "clientid" else Client("any-client", value)
        yield from _ask(client, [*deciding(old, key), *_own(old, key), *common])
        if kind == "clientid":
            yield from _ask(client._replace(username=None), _own(old, key))


def _logins(old: Before) -> Iterator[tuple[str, str]]:
    """Everybody with rules, then everybody else with a password."""
    return (key for key in chain(old.rows, (one for one in old.users if one not in old.rows)) if key[0] != "all")


def deciding(old: Before, key: tuple[str, str]) -> Iterator[str]:
    """Topics for which the order decides: those that an allow and a deny of a login, or one of it and one of everybody, have in common."""
    own = old.rows.get(key, ())
    others = [*own, *(old.rows.get(("all", ""), ()) if key[0] != "all" else ())]
    for one, other in islice(product(own, others), PAIRS):
        topic = common_topic(one.topic, other.topic) if one.access != other.access else None
        if topic and one.action == other.action:
            yield topic


def common_topic(one: str, other: str) -> str | None:
    """A topic that both filters match; None where there is none."""
    left, right = one.split("/"), other.split("/")
    found: list[str] = []
    for at, (a, b) in enumerate(zip(left, right, strict=False)):
        if "#" in (a, b):
            rest = right[at:] if a == "#" else left[at:]
            found += ["x" if word == "+" else word for word in rest if word != "#"]
            return "/".join(found) if found else "x"
        if a != b and "+" not in (a, b):
            return None
        word = b if a == "+" else a
        found.append("x" if word == "+" else word)
    behind = max(left, right, key=len)[len(found) :]
    return "/".join(found) if behind in ([], ["#"]) else None


def _ask(client: Client, filters: Iterable[str]) -> Iterator[Question]:
    short = (pattern for pattern in filters if len(pattern) <= MOST_LETTERS)
    for topic in dict.fromkeys(one for pattern in short for one in spelled(pattern, client)):
        yield client, Action.SUBSCRIBE, topic
        if not re.search(r"(^|/)[+#](/|$)", topic):
            yield client, Action.PUBLISH, topic


def spelled(pattern: str, client: Client) -> Iterator[str]:
    """The filter itself and topics below it, with the names put in, left as they are, and as 5.x writes a missing one."""
    names = product((client.username or "undefined", "%u"), (client.clientid, "%c"))
    for username, clientid in names:
        words = [clientid if word == "%c" else username if word == "%u" else word for word in pattern.split("/")]
        filled = "/".join(words)
        yield filled
        if "+" in words or "#" in words:
            yield "/".join("x" if word == "+" else "y/z" if word == "#" else word for word in words)
    if pattern[:1] in ("+", "#"):
        yield "$SYS/x"
        yield "$other/x/y"


def _own(old: Before, key: tuple[str, str]) -> list[str]:
    return [row.topic for row in old.rows.get(key, ())]


def _all_rows(old: Before, most: int) -> list[str]:
    return [topic for key in islice(old.rows, most) for topic in _own(old, key)]


def _file_topics(old: Before) -> Iterator[str]:
    for rule in old.file_rules:
        for topic in rule.topics or ():
            if len(topic.words) <= MOST_LETTERS:
                yield "/".join(topic.words)
