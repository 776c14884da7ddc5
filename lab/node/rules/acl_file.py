"""EMQX's ``acl.conf``: Erlang terms read into rules; only what the file's own specification allows is accepted.

``{allow | deny, who, action, [topic]}.`` or ``{allow | deny, all}.`` (the comment of the shipped file, 04_setup_resources).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import Any, Literal

_TOKEN = re.compile(
    r"""\s+|%[^\n]*|(?P<string>(?:<<)?"(?:[^"\\]|\\.)*"(?:>>)?)|(?P<quoted>'(?:[^'\\]|\\.)*')"""
    r"""|(?P<number>-?\d+)|(?P<atom>[a-z][\w@]*)|(?P<mark>[{}\[\],.])"""
)


class Atom(str):
    """An Erlang atom; a plain `str` is an Erlang string."""

    __slots__ = ()


@dataclass(slots=True, frozen=True)
class Client:
    """Whom a rule is asked about; `ip` without port, `node` where it is asked."""

    client_id: str
    username: str | None
    ip: str
    node: str = ""


@dataclass(slots=True, frozen=True)
class FileRule:
    """One rule; `who` is the term itself, `qos` and `retain` are None where every value fits, `topics` None for all."""

    permission: Literal["allow", "deny"]
    who: Any = "all"
    action: str = "all"
    qos: frozenset[int] | None = None
    retain: bool | None = None
    topics: tuple[tuple[bool, str], ...] | None = None


@lru_cache(maxsize=64)
def parse_rules(text: str) -> tuple[FileRule, ...]:
    """The rules of a file, in order.

    Raises:
        ValueError: not Erlang terms, or a term that is no rule; says which.

    """
    return tuple(_rule(term) for term in _terms(text))


def concerns(who: Any, client: Client) -> bool:
    """Whether a rule's `who` term selects the client."""
    if who == "all":
        return True
    kind, value = who[0], who[1]
    if kind == "and":
        return all(concerns(one, client) for one in value)
    if kind == "or":
        return any(concerns(one, client) for one in value)
    if kind in {"ipaddr", "ipaddrs"}:
        return any(_within(client.ip, network) for network in ([value] if kind == "ipaddr" else value))
    if kind == "client_attr":
        return False  # the lab's clients have no attributes
    seen = client.client_id if kind in {"client", "clientid"} else client.username
    if seen is None:
        return False
    return re.search(value[1], seen) is not None if isinstance(value, tuple) else seen == value


@lru_cache(maxsize=65536)
def _within(ip: str, network: str) -> bool:
    return ip_address(ip) in ip_network(network, strict=False)


def _rule(term: Any) -> FileRule:
    try:
        if len(term) == 2 and term[0] in {"allow", "deny"} and term[1] == "all":
            return FileRule(term[0])
        permission, who, action, topics = term
        _check_who(who)
        name, options = action if isinstance(action, tuple) else (action, [])
        if permission not in {"allow", "deny"} or name not in {"publish", "subscribe", "all"}:
            raise ValueError  # noqa: TRY301  caught right below, where the term is named
        qos = frozenset(int(value) for key, value in options if key == "qos") or None
        retain = next((value == "true" for key, value in options if key == "retain" and value != "all"), None)
        wanted = None if topics == "all" else tuple(_topic(one) for one in topics)
        return FileRule(permission, who, str(name), qos, retain, wanted)
    except (TypeError, ValueError, IndexError) as error:
        raise ValueError(f"{term!r} is no rule") from error


def _check_who(who: Any) -> None:
    if isinstance(who, Atom) and who == "all":
        return
    kind, value = who[0], who[1]
    if kind in {"and", "or"}:
        for one in value:
            _check_who(one)
    elif kind in {"ipaddr", "ipaddrs"}:
        for network in [value] if kind == "ipaddr" else value:
            ip_network(network, strict=False)
    elif kind not in {"user", "username", "client", "clientid", "client_attr"}:
        raise ValueError(kind)
    elif isinstance(value, tuple):
        re.compile(value[1])


def _topic(term: Any) -> tuple[bool, str]:
    if isinstance(term, tuple) and term[0] == "eq":
        return True, str(term[1])
    if not isinstance(term, str) or isinstance(term, Atom):
        raise TypeError(term)
    return False, term


def _terms(text: str) -> list[Any]:
    tokens, position = [], 0
    while position < len(text):
        found = _TOKEN.match(text, position)
        if found is None:
            raise ValueError(f"no Erlang term at {text[position : position + 20]!r}")
        position = found.end()
        if found.lastgroup:
            tokens.append((found.lastgroup, found.group()))
    terms: list[Any] = []
    at = 0
    while at < len(tokens):
        term, at = _term(tokens, at)
        if at >= len(tokens) or tokens[at][1] != ".":
            raise ValueError(f"a term does not end with a dot: {term!r}")
        terms.append(term)
        at += 1
    return terms


def _term(tokens: list[tuple[str, str]], at: int) -> tuple[Any, int]:
    if at >= len(tokens):
        raise ValueError("the file ends in the middle of a term")
    kind, value = tokens[at]
    if kind == "string":
        inner = value[3:-3] if value.startswith("<<") else value[1:-1]
        return re.sub(r"\\(.)", r"\1", inner) if kind == "string" else inner, at + 1
    if kind == "quoted":
        return Atom(value[1:-1]), at + 1
    if kind == "number":
        return int(value), at + 1
    if kind == "atom":
        return Atom(value), at + 1
    if value not in "{[":
        raise ValueError(f"unexpected {value!r}")
    close = {"{": "}", "[": "]"}[value]
    items: list[Any] = []
    at += 1
    while at < len(tokens) and tokens[at][1] != close:
        item, at = _term(tokens, at)
        items.append(item)
        if at < len(tokens) and tokens[at] == ("mark", ","):
            at += 1
    if at >= len(tokens):
        raise ValueError(f"{value!r} is not closed")
    return (tuple(items) if value == "{" else items), at + 1
