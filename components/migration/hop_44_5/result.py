"""What a conversion gives: a part for the data import, requests for the management API, files for the nodes, and the account.

The rule kept here: `files` is everything that is written; what holds a secret is named in `SECRET`, and the account is never among it.
"""

from __future__ import annotations

import gzip
import io
import json
import re
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from components.migration.manifest import Account
from components.migration.requests import Request, pieces

Json = dict[str, Any]
_LAST_BACKSLASH = re.compile(r'(?<!\\)((?:\\\\)*)\\\\"')
SECRET = ("archive", "requests.json", "bootstrap/")  # beginnings of the files that must be kept like passwords


@dataclass(frozen=True)
class Conversion:
    """The result of 4.4 -> 5.x.

    Args:
        origin: version of the source.
        target: version of green.
        config: the roots of ``cluster.hocon``; may hold secrets (connector passwords).
        archive_name: ``emqx-export-....tar.gz``, the name that it must keep.
        archive: its bytes; import it first.
        requests: what is sent after the import.
        bootstrap: files for the nodes, by name: ``api-keys.txt``, ``base.hocon`` (or ``for-emqx.conf``); before their first start.
        account: what became of each item.
        nodes: what ``base.hocon`` says beside the file of API keys, whatever the version calls it.
        keys: name and bytes of the archive of API keys, which only somebody who logs in may import; None where they are in a file, or none.

    """

    origin: str
    target: str
    config: Mapping[str, Any]
    archive_name: str
    archive: bytes
    requests: tuple[Request, ...]
    bootstrap: Mapping[str, str]
    account: Account
    nodes: Mapping[str, Any] = field(default_factory=dict)
    keys: tuple[str, bytes] | None = field(default=None, repr=False)

    def files(self) -> dict[str, bytes]:
        """Everything to write, by path below the output directory."""
        return {name: b"".join(pieces) for name, pieces in self.pieces().items()}

    def pieces(self) -> dict[str, Iterable[bytes]]:
        """The same, each file in pieces that are made while it is written."""
        account = self.account.json_pieces(origin=self.origin, target=self.target)
        return {
            f"archive/{self.archive_name}": (self.archive,),
            "requests.json": pieces(self.requests),
            **{f"bootstrap/{name}": (text.encode(),) for name, text in self.bootstrap.items()},
            "manifest.json": (piece.encode() for piece in account),
            "manifest.md": (self.account.to_markdown(origin=self.origin, target=self.target).encode(),),
        }


def archive_stem(now: float) -> str:
    """The name that EMQX itself would give: ``emqx-export-2026-11-22-10-12-31.485`` (UTC)."""
    moment = datetime.fromtimestamp(now, UTC)
    return f"emqx-export-{moment:%Y-%m-%d-%H-%M-%S}.{moment.microsecond // 1000:03d}"


def write_archive(stem: str, parts: Mapping[str, bytes], now: float) -> bytes:
    """A tar.gz as the data import takes it: flat, uid 0, no directory entries, all below ``stem`` (docs/emqx/backup.md#archive)."""
    buffer = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=buffer, mode="wb", mtime=int(now)) as packed,
        tarfile.open(fileobj=packed, mode="w") as tar,
    ):
        for name, content in parts.items():
            entry = tarfile.TarInfo(f"{stem}/{name}")
            entry.size, entry.mtime, entry.mode = len(content), int(now), 0o600
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def read_archive(archive: bytes) -> dict[str, bytes]:
    """The parts of an archive by their names below its top directory."""
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
        parts = {member.name.partition("/")[2]: tar.extractfile(member) for member in tar if member.isfile()}
        return {name: part.read() for name, part in parts.items() if part is not None}


def hocon(config: Mapping[str, Any]) -> bytes:
    """HOCON in the shape of JSON; ``${`` inside a quoted string is not substituted.

    Two things of JSON mean something else to EMQX: a backslash at the end of a string, where another quote follows in its line, and the ends
    of lines that Unicode has (recordings/hocon).
    """
    text = json.dumps(config, indent=1, ensure_ascii=False).replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    return (_LAST_BACKSLASH.sub(r'\1\\u005c"', text) + "\n").encode()
