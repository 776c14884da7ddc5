"""Write a table of EMQX's database as a backup file, for what no API can carry: the salts of 4.4 are bytes, not text.

The rule kept here: the bytes are those of `samples/export-by-token.tar.gz`; a test writes its rows again and compares.
An entry is ``size:32, magic, Erlang external term``; the first two are the log header and the schema of the table.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

CLOSED_LOG = bytes([1, 2, 3, 4, 99, 88, 77, 11])
MAGIC = b"bWLA"
CHECKED_FROM = 65528  # bytes: a larger term carries an MD5 sum (disk_log)
GLOBAL_CHAIN = "mqtt:global"


@dataclass(frozen=True)
class Atom:
    """An Erlang atom; a plain ``str`` is written as one too, ``bytes`` as a binary."""

    name: str


Term = Atom | bool | int | bytes | list["Term"] | tuple["Term", ...]


def encode(term: Term) -> bytes:
    """An Erlang term in the external format, without its version byte."""
    match term:
        case Atom(name):
            raw = name.encode()
            return b"w" + bytes([len(raw)]) + raw
        case bool():
            return encode(Atom("true" if term else "false"))
        case int():
            return b"a" + bytes([term]) if 0 <= term < 256 else b"b" + struct.pack(">i", term)
        case bytes():
            return b"m" + struct.pack(">I", len(term)) + term
        case tuple():
            return b"h" + bytes([len(term)]) + b"".join(encode(part) for part in term)
        case list():
            return (
                b"l" + struct.pack(">I", len(term)) + b"".join(encode(part) for part in term) + b"j" if term else b"j"
            )


def entry(term: bytes) -> bytes:
    """One entry of the log around an encoded term."""
    body = b"\x83" + term
    size = struct.pack(">I", len(body))
    if len(body) < CHECKED_FROM:
        return size + MAGIC + body
    return size + b"bWLB" + hashlib.md5(size, usedforsecurity=False).digest() + body


def backup(header: Iterable[Term], rows: Iterable[Term]) -> Iterator[bytes]:
    """A whole backup file, in pieces."""
    yield CLOSED_LOG
    for term in (*header, *rows):
        yield entry(encode(term))


def user_row(user: str, password_hash: bytes, salt: bytes) -> Term:
    """One built-in user of the global chain."""
    key = (Atom(GLOBAL_CHAIN), user.encode())
    return (Atom("emqx_authn_mnesia"), key, password_hash, salt, False)
