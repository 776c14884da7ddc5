"""The rules of ``acl.conf`` as 4.2, 4.3 and 4.4 compile them (emqx_access_rule of main-v4.4)."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import NamedTuple

from components.migration.permissions.client import EVERYBODY, Access, Action, Either, Every, Name, Networks, Who
from components.migration.permissions.erlang import Atom, Placed, Term, TermError, Text
from components.migration.permissions.topics import Words, words

_ACTIONS = {
    "publish": (Action.PUBLISH,),
    "subscribe": (Action.SUBSCRIBE,),
    "pubsub": (Action.PUBLISH, Action.SUBSCRIBE),
}


class FileTopic(NamedTuple):
    """One topic of a rule; ``exact`` is ``{eq, ...}``."""

    words: Words
    exact: bool


class FileRule(NamedTuple):
    """One rule of ``acl.conf``; ``topics`` None for ``{allow, all}``; ``line`` from 1."""

    line: int
    access: Access
    who: Who
    actions: tuple[Action, ...]
    topics: tuple[FileTopic, ...] | None


def compile_file(terms: Iterable[Placed]) -> list[FileRule]:
    """The rules of ``acl.conf``.

    Raises:
        TermError: a term that emqx_access_rule:compile/1 does not know; 4.4 would not have started with it.

    """
    return [_rule(line, term) for line, term in terms]


def _rule(line: int, term: Term) -> FileRule:
    match term:
        case (Atom("allow" | "deny" as access), Atom("all")):
            return FileRule(line, Access(access), EVERYBODY, tuple(Action), None)
        case (Atom("allow" | "deny" as access), who, Atom("publish" | "subscribe" | "pubsub" as actions), topics):
            parts = [topics] if isinstance(topics, Text) and topics.is_binary else topics
            if not isinstance(parts, list):
                raise TermError(line, "the topics of a rule are a list")
            compiled = tuple(_topic(line, part) for part in parts)
            return FileRule(line, Access(access), compile_who(line, who), _ACTIONS[actions], compiled)
    raise TermError(line, "no rule: {allow|deny, all} or {allow|deny, Who, subscribe|publish|pubsub, [Topic]}")


def compile_who(line: int, term: Term) -> Who:
    """The second part of a rule."""
    match term:
        case Atom("all") | (Atom("user" | "client"), Atom("all")):
            return EVERYBODY
        case (Atom("user" | "client" as kind), Text() as name):
            return Name("username" if kind == "user" else "clientid", in_bytes(line, name))
        case (Atom("ipaddr"), Text(network)):
            return Networks((_network(line, network),))
        case (Atom("ipaddrs"), list(networks)):
            return Networks(tuple(_network(line, part.text) for part in networks if isinstance(part, Text)))
        case (Atom("and"), list(parts)):
            return Every(tuple(compile_who(line, part) for part in parts))
        case (Atom("or"), list(parts)):
            return Either(tuple(compile_who(line, part) for part in parts))
    raise TermError(line, "a rule for somebody that 4.4 does not know (all, user, client, ipaddr, ipaddrs, and, or)")


def _topic(line: int, term: Term) -> FileTopic:
    match term:
        case Text():
            return FileTopic(words(in_bytes(line, term)), exact=False)
        case (Atom("eq"), Text() as text):
            return FileTopic(words(in_bytes(line, text)), exact=True)
    raise TermError(line, "a topic is a string or {eq, String}")


def in_bytes(line: int, text: Text) -> str:
    """The text that 4.4 compares with: of a string, a byte for each character."""
    if text.is_utf8 or text.text.isascii():
        return text.text
    try:
        return text.text.encode("latin-1").decode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise TermError(line, "a letter above U+00FF, for which 4.4 refuses to load the file") from None


def _network(line: int, text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise TermError(line, "no network address") from None
