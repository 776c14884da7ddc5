"""Who asks, what for, and the answer: the words that both models share."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
from enum import StrEnum
from typing import Any, NamedTuple


class Access(StrEnum):
    """The answer."""

    ALLOW = "allow"
    DENY = "deny"


class Action(StrEnum):
    """What is asked for."""

    PUBLISH = "publish"
    SUBSCRIBE = "subscribe"


class Client(NamedTuple):
    """A connected client; ``peer`` is its address as text."""

    clientid: str
    username: str | None = None
    peer: str = "192.0.2.1"


class Name(NamedTuple):
    """Matches one name; ``kind`` is ``username`` or ``clientid``."""

    kind: str
    value: str


class Regex(NamedTuple):
    """Matches names by a regular expression, found anywhere in the name (``re:run``)."""

    kind: str
    pattern: re.Pattern[str]


class Networks(NamedTuple):
    """Matches addresses; a plain address is a network of one."""

    networks: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]


class Every(NamedTuple):
    """All of them must match."""

    parts: tuple[Any, ...]


class Either(NamedTuple):
    """One of them must match; of none, none does."""

    parts: tuple[Any, ...]


Who = Name | Regex | Networks | Every | Either
EVERYBODY = Every(())


def is_meant(who: Who, client: Client) -> bool:
    """Whether a rule for ``who`` is about this client (emqx_access_rule and emqx_authz_rule agree on this)."""
    match who:
        case Name(kind, value):
            return bool(getattr(client, kind) == value)
        case Regex(kind, pattern):
            name = getattr(client, kind)
            return name is not None and pattern.search(name) is not None
        case Networks(networks):
            address = ipaddress.ip_address(client.peer)
            return any(address in network for network in networks)
        case Every(parts):
            return all(is_meant(part, client) for part in parts)
        case Either(parts):
            return any(is_meant(part, client) for part in parts)


DIGESTS = {"md5": "md5", "sha": "sha1", "sha256": "sha256", "sha512": "sha512"}
PLAIN = "plain"


def hashed(algorithm: str, salt: bytes, password: str) -> bytes:
    """What a built-in user's password is stored as, the salt before it: hex digits, or the bytes themselves for ``plain``."""
    given = salt + password.encode()
    return (
        given
        if algorithm == PLAIN
        else hashlib.new(DIGESTS[algorithm], given, usedforsecurity=False).hexdigest().encode()
    )


def password_matches(algorithm: str, salt: bytes, stored: bytes, password: str) -> bool:
    """Whether a password is the one that was stored."""
    return hmac.compare_digest(hashed(algorithm, salt, password), stored)
