"""Write a table of EMQX's database as a backup file, for what no API can carry: salts that are bytes, identities of PSK, keys with their secrets.

The rule kept here: the bytes are those of `samples/export-by-token.tar.gz`; a test writes its rows again and compares.
An entry is ``size:32, magic, Erlang external term``; the first two are the log header and the schema of the table.
"""

from __future__ import annotations

import hashlib
import itertools
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

CLOSED_LOG = bytes([1, 2, 3, 4, 99, 88, 77, 11])
MAGIC = b"bWLA"
CHECKED_FROM = 65528  # bytes: a larger term carries an MD5 sum (disk_log)
GLOBAL_CHAIN = "mqtt:global"


@dataclass(frozen=True)
class Atom:
    """An Erlang atom."""

    name: str


@dataclass(frozen=True)
class Chars:
    """An Erlang string: a list of bytes."""

    text: str


Term = Atom | Chars | bool | int | bytes | list["Term"] | tuple["Term", ...] | dict[Atom, "Term"]


def encode(term: Term) -> bytes:
    """An Erlang term in the external format, without its version byte."""
    match term:
        case Atom(name):
            raw = name.encode()
            return b"w" + bytes([len(raw)]) + raw
        case bool():
            return encode(Atom("true" if term else "false"))
        case Chars(text):
            return b"k" + struct.pack(">H", len(text)) + text.encode("latin-1")
        case int():
            return _integer(term)
        case bytes():
            return b"m" + struct.pack(">I", len(term)) + term
        case dict():
            pairs = (encode(key) + encode(value) for key, value in term.items())
            return b"t" + struct.pack(">I", len(term)) + b"".join(pairs)
        case tuple():
            return b"h" + bytes([len(term)]) + b"".join(encode(part) for part in term)
        case list():
            return (
                b"l" + struct.pack(">I", len(term)) + b"".join(encode(part) for part in term) + b"j" if term else b"j"
            )


def _integer(number: int) -> bytes:
    """Small ones in one byte, then in four, then as many as it takes."""
    if 0 <= number < 256:
        return b"a" + bytes([number])
    if -(2**31) <= number < 2**31:
        return b"b" + struct.pack(">i", number)
    size = (abs(number).bit_length() + 7) // 8
    return b"n" + bytes([size, int(number < 0)]) + abs(number).to_bytes(size, "little")


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
    for term in itertools.chain(header, rows):
        yield entry(encode(term))


@dataclass(frozen=True)
class Table:
    """A table as an export of 5.8.11 has it (`samples/export-by-token.tar.gz`)."""

    name: str
    record: str
    fields: tuple[str, ...]
    ordered: bool = True


USERS = Table("emqx_authn_mnesia", "user_info", ("user_id", "password_hash", "salt", "is_superuser"))
IDENTITIES = Table("emqx_psk", "psk_entry", ("psk_id", "shared_secret", "extra"))
KEYS = Table(
    "emqx_app",
    "emqx_app",
    ("name", "api_key", "api_secret_hash", "enable", "extra", "expired_at", "created_at"),
    ordered=False,
)


def header(table: Table, now: float, node: str = "emqx@127.0.0.1") -> list[Term]:
    """The log header and the schema of the table; ``node`` is only a name there."""
    moment = (int(now) // 1_000_000, int(now) % 1_000_000, 0)
    return [
        (Atom("log_header"), Atom("backup_log"), Chars("1.2"), Chars("4.23.5"), Atom(node), moment),
        (Atom("schema"), Atom(table.name), _schema(table, node, moment)),
    ]


def _schema(table: Table, node: str, moment: tuple[int, int, int]) -> list[Term]:
    fields: list[Term] = [Atom(name) for name in table.fields]
    ets: list[Term] = [(Atom("ets"), [(Atom("read_concurrency"), True)])] if table.ordered else []
    return [
        (Atom("name"), Atom(table.name)),
        (Atom("type"), Atom("ordered_set" if table.ordered else "set")),
        (Atom("ram_copies"), []),
        (Atom("disc_copies"), [Atom(node)]),
        (Atom("disc_only_copies"), []),
        (Atom("load_order"), 0),
        (Atom("access_mode"), Atom("read_write")),
        (Atom("majority"), False),
        (Atom("index"), []),
        (Atom("snmp"), []),
        (Atom("local_content"), False),
        (Atom("record_name"), Atom(table.record)),
        (Atom("attributes"), fields),
        (Atom("user_properties"), []),
        (Atom("frag_properties"), []),
        (Atom("storage_properties"), ets),
        (Atom("cookie"), ((moment[0] * 10**12 + moment[1] * 10**6, -1, 1), Atom(node))),
        (Atom("version"), ((4, 0), (Atom(node), moment))),
    ]


def user_row(user: str, password_hash: bytes, salt: bytes) -> Term:
    """One built-in user of the global chain."""
    key = (Atom(GLOBAL_CHAIN), user.encode())
    return (Atom(USERS.name), key, password_hash, salt, False)


def identity_row(identity: str, key: str) -> Term:
    """One identity of PSK; what stands in ``extra`` is EMQX's default (emqx_psk.erl of v5.8.0): no recorded table has a row."""
    return (Atom(IDENTITIES.name), identity.encode(), key.encode(), Atom("undefined"))


@dataclass(frozen=True)
class Key:
    """An application of 4.x as a key of 5.x; ``expires`` in unix seconds, None never."""

    key: str
    secret: str = field(repr=False)
    expires: int | None = None
    name: str = ""


def key_row(key: Key, now: float) -> Term:
    """One key, called as EMQX calls one of a bootstrap file, which then is the same key; hash as in recording 13_config_priority_and_api_key_bootstrap's export."""
    digest = hashlib.sha512(key.key.encode()).hexdigest()
    salt = digest[16:20].encode()
    about: Term = {Atom("desc"): f"application {key.name or key.key} of 4.4".encode(), Atom("role"): b"administrator"}
    stored = salt + hashlib.sha256(salt + key.secret.encode()).digest()
    end: Term = Atom("infinity") if key.expires is None else key.expires
    name = f"from_bootstrap_file_{digest[:16]}".encode()
    return (Atom(KEYS.name), name, key.key.encode(), stored, True, about, end, int(now))


class _Decoder:
    """Reads what ``encode`` writes, and what EMQX itself writes into such a file."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def _take(self, count: int) -> bytes:
        piece = self._data[self._at : self._at + count]
        if len(piece) < count:
            raise ValueError("a backup table that ends in the middle")
        self._at += count
        return piece

    def _size(self, count: int) -> int:
        return int.from_bytes(self._take(count), "big")

    def term(self) -> Term:
        """One term."""
        match self._take(1):
            case b"w":
                name = self._take(self._size(1)).decode()
                return name == "true" if name in ("true", "false") else Atom(name)
            case b"k":
                return Chars(self._take(self._size(2)).decode("latin-1"))
            case b"a":
                return self._size(1)
            case b"b":
                return int.from_bytes(self._take(4), "big", signed=True)
            case b"n":
                size, sign = self._size(1), self._size(1)
                return int.from_bytes(self._take(size), "little") * (-1 if sign else 1)
            case b"m":
                return self._take(self._size(4))
            case tag:
                return self._of_parts(tag)

    def _of_parts(self, tag: bytes) -> Term:
        match tag:
            case b"h":
                return tuple(self.term() for _ in range(self._size(1)))
            case b"t":
                return {self._atom(): self.term() for _ in range(self._size(4))}
            case b"j":
                return []
            case b"l":
                parts = [self.term() for _ in range(self._size(4))]
                self._take(1)
                return parts
            case _:
                raise ValueError(f"an Erlang term of a kind that no such table has: {tag!r}")

    def _atom(self) -> Atom:
        match self.term():
            case Atom() as name:
                return name
            case _:
                raise ValueError("a map whose keys are no atoms")


def read(data: bytes) -> Iterator[Term]:
    """All terms of a backup file, header and schema first.

    Raises:
        ValueError: it is no such file.

    """
    if not data.startswith(CLOSED_LOG[:4]):
        raise ValueError("no backup table")
    at = len(CLOSED_LOG)
    while at < len(data):
        size = struct.unpack(">I", data[at : at + 4])[0]
        body = at + 8 + (0 if data[at + 4 : at + 8] == MAGIC else 16)
        yield _Decoder(data[body + 1 : body + size]).term()
        at = body + size


def read_users(data: bytes) -> Iterator[tuple[str, bytes, bytes]]:
    """Login, salt and hash of the built-in users in a backup file."""
    for term in read(data):
        match term:
            case (Atom("emqx_authn_mnesia"), (_, bytes(user)), bytes(stored), bytes(salt), bool()):
                yield user.decode(), salt, stored


def read_identities(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Identity and key of each row of a backup file."""
    for term in read(data):
        match term:
            case (Atom("emqx_psk"), bytes(identity), bytes(key), _):
                yield identity.decode(), key


def read_keys(data: bytes) -> Iterator[tuple[str, str, bytes, bool, dict[Atom, Term], int | None]]:
    """Name, key, salted hash, whether it is on, what is said of it and when it ends, of each row of a backup file."""
    for term in read(data):
        match term:
            case (Atom("emqx_app"), bytes(name), bytes(key), bytes(stored), bool(on), dict(extra), end, int()):
                yield name.decode(), key.decode(), stored, on, extra, end if isinstance(end, int) else None
