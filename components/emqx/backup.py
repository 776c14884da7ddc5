"""EMQX's data export and import as calls; archives are streamed, and adopted when they lie on the node already.

Sources: docs/emqx/backup.md, recordings 05_data_backup and A_*.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple
from urllib.parse import quote

from pydantic import TypeAdapter

from components.emqx.answers import ExportFacts
from components.emqx.client import attempts, code_and_message, judged
from components.emqx.errors import BadInput, NotNow, Refused
from components.emqx.kept_alive import PIPELINE_SECONDS, Call, post_kept_alive
from components.emqx.reading import read_model
from components.emqx.v5 import ClusterApi

STUCK_REINDEX = "already_started"
"""The reason in the answer to an import after one that died while indexing (docs/emqx/backup.md#an-index-that-stays-broken)."""

_EXPORT_SECONDS = 300.0
_FILES = TypeAdapter(list[ExportFacts])
_UNKNOWN = ("Invalid root keys: ", "Invalid table sets: ")


class Export(NamedTuple):
    """An archive on a node, and which of the asked names this edition did not know."""

    facts: ExportFacts
    unknown: tuple[str, ...]


async def export_archive(
    api: ClusterApi, roots: Sequence[str], tables: Sequence[str], *, node: str, bearer: bool = False
) -> Export:
    """Export exactly these root keys and table sets; empty means none.

    Names that the edition does not know are left out and told, because the lists differ by edition and version. Safe to
    repeat: a second export is only another file.
    """
    unknown: list[str] = []
    while True:
        body = {
            "root_keys": [name for name in roots if name not in unknown],
            "table_sets": [name for name in tables if name not in unknown],
        }
        reply = await api.http.call(
            "POST",
            "/data/export",
            node=node,
            body=body,
            bearer=bearer,
            accept=frozenset({400}),
            repeatable=True,
            timeout_seconds=_EXPORT_SECONDS,
        )
        if reply.status < 400:
            return Export(read_model(ExportFacts, reply), tuple(unknown))
        message = code_and_message(reply.body)[1]
        named = next((message.removeprefix(start) for start in _UNKNOWN if message.startswith(start)), "")
        fresh = [name for name in named.split(", ") if name in (*body["root_keys"], *body["table_sets"])]
        if not fresh:
            judged(reply)
        unknown += fresh


async def download(api: ClusterApi, facts: ExportFacts, path: Path, *, bearer: bool = False) -> str:
    """Stream an archive into a new file of mode 0600; its sha256.

    Repeated with patience; NotNow when fewer bytes came than were announced.
    """
    async for attempt in attempts(api.http.patience_seconds):
        with attempt:
            sha256 = await _download_once(api, facts, path, bearer=bearer)
    return sha256


async def _download_once(api: ClusterApi, facts: ExportFacts, path: Path, *, bearer: bool) -> str:
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            sha256, size = await _stream(api, facts, _writer(file, path), bearer=bearer)
            file.flush()
            os.fsync(file.fileno())
        if size != facts.size:
            raise NotNow(
                f"download of {facts.filename}",
                node=facts.node,
                seen=f"{size} of {facts.size} bytes arrived",
                todo="run again; look at the node's disk when it stays so",
            )
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return sha256


def _writer(file: BinaryIO, path: Path) -> Callable[[bytes], int]:
    """``file.write``, whose failure is told from the connection's."""

    def write(piece: bytes) -> int:
        try:
            return file.write(piece)
        except OSError as error:
            reason = error.strerror or type(error).__name__
        raise BadInput(f"writing {path}", seen=reason, todo="free space there, or name another archive directory")

    return write


async def sha256_on_node(api: ClusterApi, facts: ExportFacts, *, bearer: bool = False) -> str:
    """The sha256 of an archive that lies on a node, streamed."""
    async for attempt in attempts(api.http.patience_seconds):
        with attempt:
            sha256, _ = await _stream(api, facts, len, bearer=bearer)
    return sha256


async def _stream(
    api: ClusterApi, facts: ExportFacts, keep: Callable[[bytes], int], *, bearer: bool
) -> tuple[str, int]:
    seen, size = hashlib.sha256(), 0
    path = f"/data/files/{quote(facts.filename, safe='')}"
    async with api.http.stream(path, node=facts.node, params={"node": facts.node}, bearer=bearer) as pieces:
        async for piece in pieces:
            seen.update(piece)
            size += keep(piece)
    return seen.hexdigest(), size


async def list_archives(api: ClusterApi) -> list[ExportFacts]:
    """The archives on all nodes, newest first."""
    found: list[ExportFacts] = []
    async for page in api.pages("/data/files"):
        found += _FILES.validate_python(page)
    return found


async def upload(api: ClusterApi, path: Path, sha256: str, *, size: int, node: str, bearer: bool = False) -> bool:
    """Upload an archive to this node; False when it lay there already, with this sha256.

    The file name must be the archive's own (its top directory), so a name is unique; another content under it is
    Refused. Most checks of EMQX happen here: an older or newer version, another edition, broken content are Rejected.
    """
    with path.open("rb") as file:
        reply = await api.http.call(
            "POST",
            "/data/files",
            node=node,
            files={"filename": (path.name, file, "application/gzip")},
            bearer=bearer,
            accept=frozenset({400}),
            repeatable=True,
            timeout_seconds=_EXPORT_SECONDS,
        )
    if reply.status < 400:
        return True
    if not code_and_message(reply.body)[1].endswith("already exists"):
        judged(reply)
    there = ExportFacts(filename=path.name, node=node, size=size)
    if await sha256_on_node(api, there, bearer=bearer) != sha256:
        raise Refused(
            f"upload of {path.name}",
            node=node,
            seen="a file of this name with another content lies there",
            todo="remove it with DELETE /data/files/<name>, or with emqx ctl, when it is not needed",
        )
    return False


async def import_archive(
    api: ClusterApi,
    name: str,
    *,
    node: str,
    waiting: Callable[[float], Awaitable[None]],
    limit_seconds: float,
    pipeline_seconds: float = PIPELINE_SECONDS,
    bearer: bool = False,
) -> None:
    """Import an archive on the node that has it; its 204 says little, only the inventory says what arrived.

    Never cut off before ``limit_seconds``, and repeated only when the server answered that it cannot now (500, 503), which
    is safe because an import is a merge. ``waiting`` as in ``post_kept_alive``.
    """
    call = Call(
        node=api.http.node(node),
        path="/data/import",
        body={"filename": name, "node": node},
        authorization=await api.http.authorization(bearer=bearer),
    )
    async for attempt in attempts(api.http.patience_seconds, on=NotNow):
        with attempt:
            await post_kept_alive(call, limit_seconds=limit_seconds, waiting=waiting, pipeline_seconds=pipeline_seconds)


async def delete_archive(api: ClusterApi, facts: ExportFacts, *, bearer: bool = False) -> None:
    """Remove an archive from its node; gone already is fine."""
    path = f"/data/files/{quote(facts.filename, safe='')}"
    params = {"node": facts.node}
    await api.http.call(
        "DELETE", path, node=facts.node, params=params, bearer=bearer, accept=frozenset({404}), repeatable=True
    )
