"""A 5.x or 6.x data backup, read without unpacking it: META, ``cluster.hocon``, and how many rows each table holds.

Layout: docs/emqx/backup.md#archive. Checks are EMQX's own at upload (docs/emqx/backup.md#files): a damaged archive is refused here
and not after an hour on green. No row is decoded further than its table and, for retained messages, its topic's first level.
"""

from __future__ import annotations

import io
import re
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from components.cutover.versions import BadVersion, Version, parse
from components.cutover.words import Edition
from components.migration.configs.hocon import Hocon
from components.migration.configs.hocon import parse as parse_hocon
from components.migration.manifest import BadSource

MAX_BYTES: Final = 512 << 20
"""Unpacked; many times the largest that was seen (50,000 users and 140,000 retained messages: 1.4 MB packed)."""
KEY_REFUSED_TABLES: Final[Mapping[str, str]] = {"emqx_admin": "dashboard users", "emqx_app": "API keys"}
"""What an export by an API key leaves out: an API key may not import them from 5.8.11, 5.9.3, 5.10.4, 6.1.2, 6.2.1 on (BK-02)."""
AGAIN = "export again and copy the whole file; do not edit or rename it"
_MAGIC = b"\x01\x02\x03\x04"
_FRAMES = {b"bWLA": 0, b"bWLB": 16}
"""Magic of a row, and the bytes of a checksum behind it: disk_log gives one to rows of 65,528 bytes and more."""


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
    members = _members(file, data)
    roots = {name.split("/", 1)[0] for name in members}
    if len(roots) != 1:
        raise BadSource(file, "", f"{len(roots)} directories at its top; EMQX wants all files under one", AGAIN)
    root = roots.pop()
    parts = {name.removeprefix(f"{root}/"): content for name, content in members.items()}
    edition, version = _meta(file, parts.get("META.hocon"))
    text = parts.get("cluster.hocon")
    hocon = parse_hocon(f"{file}:cluster.hocon", _text(file, "cluster.hocon", text)) if text is not None else None
    tables: dict[str, int] = {}
    system = 0
    for name, content in parts.items():
        if name.startswith("mnesia/"):
            table = name.removeprefix("mnesia/")
            rows = list(_rows(file, name, table, content))
            tables[table] = len(rows)
            system += sum(_is_system(row) for row in rows) if table == "emqx_retainer_message" else 0
    return Archive(file, root, edition, version, hocon, tables, system)


def _members(file: str, data: bytes) -> dict[str, bytes]:
    """Its files by name; nothing is written anywhere."""
    members: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(_gunzip(file, data)), mode="r:") as tar:
            for member in tar:
                if member.isdir():
                    continue
                if not member.isreg() or member.name.startswith("/") or ".." in member.name.split("/"):
                    raise BadSource(
                        file,
                        member.name[:80],
                        "a link, a device or a path that leads outside",
                        "do not use this file; export again",
                    )
                if member.name in members:
                    raise BadSource(file, member.name[:80], "the same file twice", AGAIN)
                content = tar.extractfile(member)
                members[member.name] = content.read() if content else b""
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        raise BadSource(
            file, "", f"no whole gzip tar archive ({type(error).__name__}); truncated or damaged", AGAIN
        ) from None
    if not members:
        raise BadSource(file, "", "an empty archive", AGAIN)
    return members


def _gunzip(file: str, data: bytes) -> bytes:
    """The whole of it: tarfile alone would not notice that the end of the file is missing."""
    stream = zlib.decompressobj(wbits=31)
    content = stream.decompress(data, MAX_BYTES)
    if stream.unconsumed_tail:
        raise BadSource(
            file, "", f"more than {MAX_BYTES >> 20} MiB unpacked", "use `emqx ctl data import` on the node itself"
        )
    if not stream.eof or stream.unused_data.strip(b"\0"):
        raise EOFError
    return content


def _text(file: str, name: str, content: bytes) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        raise BadSource(file, name, "bytes that are no UTF-8", AGAIN) from None


def _meta(file: str, content: bytes | None) -> tuple[Edition, Version]:
    """Edition and version out of the two lines of META.hocon."""
    if content is None:
        raise BadSource(file, "META.hocon", "it is missing; EMQX refuses such an archive at upload", AGAIN)
    text = _text(file, "META.hocon", content)
    found = dict(re.findall(r'^\s*(edition|version)\s*=\s*"?([\w.+-]+)"?\s*$', text, re.MULTILINE))
    if found.get("edition") not in {"ee", "ce"}:
        raise BadSource(file, "META.hocon", "an edition that is neither ee nor ce", AGAIN)
    try:
        version = parse(found.get("version", "").split("-", 1)[0])
    except BadVersion:
        raise BadSource(file, "META.hocon", "no version, or none that EMQX writes", AGAIN) from None
    return ("ce" if found["edition"] == "ce" else "ee"), version


def _rows(file: str, name: str, table: str, content: bytes) -> Iterator[bytes]:
    """The rows of a mnesia backup: frames of length, magic and an external term; a row is a tuple named after its table."""
    if not content.startswith(_MAGIC):
        raise BadSource(file, name, "no mnesia backup", AGAIN)
    row = re.compile(rb"\x83h.(?:w.|d..|s.)" + re.escape(table.encode()), re.DOTALL)
    at = len(_MAGIC) * 2
    while at < len(content):
        size = int.from_bytes(content[at : at + 4], "big")
        extra = _FRAMES.get(content[at + 4 : at + 8])
        term = b"" if extra is None else content[at + 8 + extra : at + 8 + extra + size]
        if extra is None or len(term) != size:
            raise BadSource(file, name, f"a broken row at byte {at}; truncated or damaged", AGAIN)
        if row.match(term):
            yield term
        at += 8 + extra + size


def _is_system(row: bytes) -> bool:
    """Whether a retained message's topic, a list of its levels, begins with ``$SYS``."""
    return re.match(rb"\x83h.(?:w.|d..|s.)emqx_retainer_messagel....m\x00\x00\x00\x04\$SYS", row, re.DOTALL) is not None
