"""A 5.x or 6.x data backup, read without unpacking it: META, ``cluster.hocon``, and how many rows each table holds.

Layout: docs/emqx/backup.md#archive. Checks are EMQX's own at upload (docs/emqx/backup.md#files): a damaged archive is refused here
and not after an hour on green. No row is decoded further than its table and, for retained messages, its topic's first level.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO, Final

from components.cutover.versions import BadVersion, Version, parse
from components.cutover.words import Edition
from components.migration.configs.hocon import Hocon
from components.migration.configs.hocon import parse as parse_hocon
from components.migration.manifest import BadSource
from components.migration.tarball import AGAIN, ON_THE_NODE, each_file, skip

MOST_TEXT_BYTES: Final[Mapping[str, int]] = {"META.hocon": 64 << 10, "cluster.hocon": 32 << 20}
MOST_ROWS: Final = 2_000_000
"""Of all tables; the largest that was seen has 50,000 users and 140,000 retained messages (1.4 MB packed)."""
KEY_REFUSED_TABLES: Final[Mapping[str, str]] = {"emqx_admin": "dashboard users", "emqx_app": "API keys"}
"""What an export by an API key leaves out: an API key may not import them from 5.8.11, 5.9.3, 5.10.4, 6.1.2, 6.2.1 on (BK-02)."""
_MAGIC = b"\x01\x02\x03\x04"
_FRAMES = {b"bWLA": 0, b"bWLB": 16}
"""Magic of a row, and the bytes of a checksum behind it: disk_log gives one to rows of 65,528 bytes and more."""
_BEGINNING = 1024
"""Bytes of a row that are looked at: the longest name of a table, and the first level of a topic."""


@dataclass(frozen=True)
class Archive:
    """What an archive says of itself. ``tables`` are rows by table; ``system_retained`` are retained messages below ``$SYS``."""

    file: str
    root: str
    edition: Edition
    version: Version
    hocon: Hocon | None
    tables: Mapping[str, int] = field(default_factory=dict)
    system_retained: int = 0

    @property
    def name_fits(self) -> bool:
        """Whether the file is still called what its inner directory is called (BK-05)."""
        return self.file.replace("\\", "/").rsplit("/", 1)[-1] == f"{self.root}.tar.gz"

    @property
    def retained(self) -> int:
        """Retained messages that are a device's or a user's, not the broker's own."""
        return self.tables.get("emqx_retainer_message", 0) - self.system_retained


def import_refused(backup: Version, node: Version) -> bool:
    """Whether a node refuses a backup as too new.

    Until 5.10.4 major and minor were compared independently: a 5.8 backup is refused by 5.7, and no 5.x node takes a 6.x one. Since
    6.0.0 it is a comparison of versions (BK-01; e5.8.9..e6.0.0 ``emqx_mgmt_data_backup`` check_version). The patch never counts
    (docs/emqx/backup.md#versions-and-editions: 5.8.12 into 5.8.11 was accepted).
    """
    if node >= Version(6, 0, 0):
        return backup.line > node.line
    return backup.major > node.major or backup.minor > node.minor


def read_archive(file: str, data: bytes) -> Archive:
    """Read a backup archive.

    Raises:
        BadSource: truncated, tampered with, or no backup; with the member that shows it.

    """
    found = _Parts(file)
    each_file(file, data, found.take)
    roots = found.roots
    if len(roots) != 1:
        raise BadSource(file, "", f"{len(roots)} directories at its top; EMQX wants all files under one", AGAIN)
    edition, version = _meta(file, found.texts.get("META.hocon"))
    text = found.texts.get("cluster.hocon")
    hocon = parse_hocon(f"{file}:cluster.hocon", text) if text is not None else None
    return Archive(file, roots.pop(), edition, version, hocon, found.tables, found.system)


@dataclass
class _Parts:
    """What is kept of an archive while it goes by."""

    file: str
    roots: set[str] = field(default_factory=set)
    texts: dict[str, str] = field(default_factory=dict)
    tables: dict[str, int] = field(default_factory=dict)
    system: int = 0

    def take(self, name: str, size: int, content: IO[bytes]) -> None:
        """One file of it."""
        root, _, part = name.partition("/")
        self.roots.add(root)
        if part in MOST_TEXT_BYTES:
            self.texts[part] = _text(self.file, part, size, content)
        elif part.startswith("mnesia/"):
            table = part.removeprefix("mnesia/")
            self.tables[table] = 0
            for row in _rows(self.file, part, table, content, MOST_ROWS - sum(self.tables.values())):
                self.tables[table] += 1
                self.system += table == "emqx_retainer_message" and _is_system(row)


def _text(file: str, name: str, size: int, content: IO[bytes]) -> str:
    if size > MOST_TEXT_BYTES[name]:
        seen = f"{size >> 10} KiB; EMQX writes none of more than {MOST_TEXT_BYTES[name] >> 10} KiB"
        raise BadSource(file, name, seen, AGAIN)
    try:
        return content.read().decode("utf-8")
    except UnicodeDecodeError:
        raise BadSource(file, name, "bytes that are no UTF-8", AGAIN) from None


def _meta(file: str, text: str | None) -> tuple[Edition, Version]:
    """Edition and version out of META.hocon."""
    if text is None:
        raise BadSource(file, "META.hocon", "it is missing; EMQX refuses such an archive at upload", AGAIN)
    meta = parse_hocon(f"{file}:META.hocon", text).tree
    if meta.get("edition") not in {"ee", "ce"}:
        raise BadSource(file, "META.hocon", "an edition that is neither ee nor ce", AGAIN)
    try:
        version = parse(str(meta.get("version", "")).split("-", 1)[0])
    except BadVersion:
        raise BadSource(file, "META.hocon", "no version, or none that EMQX writes", AGAIN) from None
    return ("ce" if meta["edition"] == "ce" else "ee"), version


def _rows(file: str, name: str, table: str, content: IO[bytes], most: int) -> Iterator[bytes]:
    """The beginnings of the rows of a mnesia backup: frames of length, magic and an external term; a row is a tuple named after its table."""
    if content.read(len(_MAGIC) * 2)[: len(_MAGIC)] != _MAGIC:
        raise BadSource(file, name, "no mnesia backup", AGAIN)
    row = re.compile(rb"\x83h.(?:w.|d..|s.)" + re.escape(table.encode()), re.DOTALL)
    at = len(_MAGIC) * 2
    frames = 0
    while head := content.read(8):
        extra = _FRAMES.get(head[4:])
        size = int.from_bytes(head[:4], "big") + (extra or 0)
        begin = content.read(min(size, _BEGINNING))
        if extra is None or len(begin) + skip(content, size - len(begin)) != size:
            raise BadSource(file, name, f"a broken row at byte {at}; truncated or damaged", AGAIN)
        frames += 1
        if frames > most:
            raise BadSource(file, name, f"more than {MOST_ROWS:,} rows", ON_THE_NODE)
        if row.match(begin, extra):
            yield begin[extra:]
        at += 8 + size


def _is_system(row: bytes) -> bool:
    """Whether a retained message's topic, a list of its levels, begins with ``$SYS``."""
    return re.match(rb"\x83h.(?:w.|d..|s.)emqx_retainer_messagel....m\x00\x00\x00\x04\$SYS", row, re.DOTALL) is not None
