"""Data backups: the archive's layout, what may be in it, and the checks that EMQX makes when one is uploaded.

The layout is EMQX's (docs/emqx/backup.md#archive); the tables inside ``mnesia/`` are ours, JSON behind a magic line, because Mnesia's
own format belongs to the Erlang machine that wrote it.  So META and configuration of any archive are read, tables only
of archives made here; others are refused by name, never passed over.
"""

from __future__ import annotations

import io
import re
import tarfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from components.cutover.versions import leading
from components.hocon.document import loads
from components.hocon.errors import HoconError
from lab.node.archive.printed import dumps, fault

SUFFIX = ".tar.gz"
MAGIC = b"lab-table 1\n"
TABLES: dict[str, tuple[str, ...]] = {
    "dashboard_users": ("emqx_admin",),
    "api_keys": ("emqx_app",),
    "builtin_authn": ("emqx_authn_mnesia", "emqx_authn_scram_mnesia"),
    "builtin_authz": ("emqx_acl",),
    "psk": ("emqx_psk",),
    "banned": ("emqx_banned", "emqx_banned_rules"),
    "builtin_retainer": ("emqx_retainer_message",),
}
"""Table set -> tables, as the API names both."""
RESTRICTED = {"emqx_app": "api_keys", "emqx_admin": "dashboard_users"}
_COMMON_ROOTS = (
    "authentication authorization listeners mqtt rule_engine connectors actions sources bridges retainer auto_subscribe rewrite delayed "
    "psk_authentication flapping_detect sys_topics limiter log node rpc cluster dashboard api_key gateway exhook topic_metrics broker "
    "force_shutdown force_gc conn_congestion zones alarm sysmon slow_subs prometheus plugins durable_sessions durable_storage crl_cache "
    "stats banned trace"
)
ROOTS = {
    "ee": frozenset(
        f"{_COMMON_ROOTS} opentelemetry schema_registry schema_validation message_transformation license file_transfer".split()
    ),
    "ce": frozenset(f"{_COMMON_ROOTS} telemetry".split()),
}
"""The root keys that POST /data/export accepts, by edition (A_root_keys)."""
_NAME = re.compile(r"[^/\\]+\.tar\.gz")


class BackupError(ValueError):
    """The archive or its name is refused; the text is EMQX's, or the object that it puts in its place."""

    def __init__(self, message: Any) -> None:
        """Keep the message as it must be answered."""
        self.message = message
        super().__init__(str(message))


@dataclass(frozen=True)
class Archive:
    """What an archive holds: who made it, its configuration (None without cluster.hocon), its tables as raw bytes."""

    edition: str
    version: str
    config: dict[str, Any] | None
    tables: Mapping[str, bytes]

    def restricted(self) -> list[str]:
        """The table sets that an API key may neither download nor import from 5.8.11 on, in order."""
        return sorted(RESTRICTED[name] for name in self.tables if name in RESTRICTED)


def key_is_limited(version: str) -> bool:
    """Whether this version keeps API keys from backups with restricted tables (docs/emqx/backup.md#api-key-or-token)."""
    major, minor, patch = numbers(version)
    return ((major, minor) == (5, 8) and patch >= 11) or ((major, minor) == (5, 10) and patch >= 4)


def numbers(version: str) -> tuple[int, int, int]:
    """Major, minor and patch of a version; raises ValueError when it is none."""
    found = leading(version)
    if found is None or found.patch is None or found.rest[:1] not in {"", "-", ".", "+"}:
        raise ValueError(f"{version!r} is no version")
    return found.major, found.minor, found.patch


def new_name(now: float) -> str:
    """The name of an archive made at ``now`` (unix seconds)."""
    at = datetime.fromtimestamp(now, UTC)
    return f"emqx-export-{at:%Y-%m-%d-%H-%M-%S}.{at.microsecond // 1000:03d}{SUFFIX}"


def check_name(name: str) -> str:
    """The name when it may be one of a backup file; raises BackupError."""
    if not _NAME.fullmatch(name):
        raise BackupError("invalid backup name: file name must have .tar.gz extension")
    return name


def write(name: str, archive: Archive) -> bytes:
    """The bytes of an archive: flat, owner 0, no directory entries."""
    base = name.removesuffix(SUFFIX)
    meta = f'edition = {archive.edition}\nversion = "{archive.version}"\n'
    members = {"META.hocon": meta.encode(), "cluster.hocon": dumps(archive.config or {}).encode()}
    members |= {f"mnesia/{table}": raw for table, raw in archive.tables.items()}
    out = io.BytesIO()
    # Level 1: an export of a big table is measured in tenths of a second, as EMQX's is.
    with tarfile.open(fileobj=out, mode="w:gz", compresslevel=1) as tar:
        for path, raw in members.items():
            info = tarfile.TarInfo(f"{base}/{path}")
            info.size, info.mode = len(raw), 0o644
            tar.addfile(info, io.BytesIO(raw))
    return out.getvalue()


def read(name: str, raw: bytes, *, path: str = "") -> Archive:
    """The archive in ``raw``; ``path`` is where EMQX would have unpacked it, for its messages.

    Raises:
        BackupError: the name, the tar, its top directory, META.hocon or cluster.hocon is not as it must be.

    """
    base = check_name(name).removesuffix(SUFFIX)
    members = _unpack(raw)
    if any(not member.startswith(f"{base}/") or ".." in member.split("/") for member in members):
        raise BackupError(
            "invalid backup archive content: all files in the archive must be under <backup name> directory"
        )
    files = {member.removeprefix(f"{base}/"): data for member, data in members.items()}
    edition, version = _meta(files.get("META.hocon"))
    config = _config(files.get("cluster.hocon"), path)
    tables = {file.removeprefix("mnesia/"): data for file, data in files.items() if file.startswith("mnesia/")}
    return Archive(edition, version, config, tables)


def _unpack(raw: bytes) -> dict[str, bytes]:
    try:
        with tarfile.open(fileobj=io.BytesIO(raw), mode="r:gz") as tar:
            out = {}
            for member in tar:
                stream = tar.extractfile(member) if member.isfile() else None
                if stream is not None:
                    out[member.name] = stream.read()
            return out
    except (tarfile.TarError, EOFError, OSError, zlib.error):
        raise BackupError("Unexpected end of file") from None


def _meta(raw: bytes | None) -> tuple[str, str]:
    try:
        meta = loads((raw or b"").decode())
    except (HoconError, UnicodeDecodeError):
        meta = {}
    if not {"edition", "version"} <= meta.keys():
        raise BackupError("invalid backup archive file: missing META.hocon")
    edition, version = str(meta["edition"]), str(meta["version"])
    if edition not in {"ee", "ce"}:
        raise BackupError("invalid backup archive content: wrong EMQX edition value in META.hocon")
    try:
        numbers(version)
    except ValueError:
        raise BackupError("invalid backup archive content: wrong EMQX version value in META.hocon") from None
    return edition, version


def _config(raw: bytes | None, path: str) -> dict[str, Any] | None:
    if raw is None:
        return None
    try:
        return loads(raw.decode())
    except UnicodeDecodeError:
        raise BackupError("invalid backup archive content: cluster.hocon is no text") from None
    except HoconError as error:
        kind, reason = fault(error)
        where = f'line => {error.line},reason => "{reason}",file => "{path}/cluster.hocon"'
        raise BackupError(f"{{{kind},#{{{where}}}}}") from None


def check_fits(archive: Archive, edition: str, version: str) -> None:
    """Raise BackupError when this cluster may not take the archive: Enterprise into open source, or a newer minor."""
    if archive.edition == "ee" and edition == "ce":
        raise BackupError("importing EMQX Enterprise data backup to EMQX is not allowed")
    if numbers(archive.version)[:2] > numbers(version)[:2]:
        sentence = f'Backup version "{archive.version}" is newer than EMQX version "{version}", import is not allowed.'
        raise BackupError(f"[warning] {sentence}\n")


def unreadable(table: str, path: str) -> str:
    """What EMQX says of a table that it cannot restore: Erlang's layout, indented to the column of the term."""
    head = f"[error] Failed to import built-in database table: {table}, reason: "
    pad = " " * (len(head) + len("{"))
    return (
        f'{head}{{error,\n{pad}{{"Backup traversal failed",\n{pad} {{not_a_log_file,\n'
        f'{pad}  "{path}/mnesia/{table}"}}}}}}\n'
    )


def already_indexing(table: str) -> str:
    """What EMQX says of retained messages while the mark of a broken import is there."""
    return f"[error] Failed to import built-in database table: {table}, reason: {{error, already_started}}\n"
