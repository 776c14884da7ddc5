"""EMQX's data export and import; archives are streamed, and adopted when they lie on the node already.

Sources: docs/emqx/backup.md, recordings 05_data_backup and A_*.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote

from pydantic import TypeAdapter

from components.emqx.answers import ExportFacts
from components.emqx.base import Export, Portion
from components.emqx.client import Reply, attempts, code_and_message, judged
from components.emqx.errors import BadInput, NotNow, Refused, Rejected, UpgradeError
from components.emqx.kept_alive import PIPELINE_SECONDS, Call, post_kept_alive
from components.emqx.reading import read_model
from components.emqx.v5.calls import Calls
from components.system.files import replacing

TABLE_SETS = ("builtin_authn", "builtin_authz", "banned", "psk", "builtin_retainer")
"""One archive each; retained messages last and alone, because rebuilding their index takes minutes (docs/emqx/backup.md#the-60-second-wall)."""

ACCOUNTS = ("api_keys", "dashboard_users")

_STUCK_REINDEX = "already_started"
"""The reason in the answer to an import after one that died while indexing (docs/emqx/backup.md#an-index-that-stays-broken)."""

_EXPORT_SECONDS = 300.0
_FILES = TypeAdapter(list[ExportFacts])
_UNKNOWN = ("Invalid root keys: ", "Invalid table sets: ")


def portions(roots: tuple[str, ...], *, accounts: bool) -> tuple[Portion, ...]:
    """The archives of one export: configuration, then each table set, then the accounts.

    Accounts come after all else: they may replace the very account that the import works with.
    """
    first = Portion("configuration", roots, ())
    tables = [Portion(name, (), (name,)) for name in TABLE_SETS]
    extra = [Portion("accounts", (), ACCOUNTS, login=True)] if accounts else []
    return (first, *tables, *extra)


class Archives:
    """The archives of one cluster; ``calls`` are its own."""

    def __init__(self, calls: Calls) -> None:
        """Nothing is asked yet."""
        self.calls = calls

    async def export(self, portion: Portion, *, node: str) -> Export:
        """Export exactly the portion's root keys and table sets; empty means none.

        Names that the edition does not know are left out and told, because the lists differ by edition and version. An attempt
        that was not answered may have left a file with secrets in it: after a repetition, what is new on the node and not the answer goes.
        """
        unknown: list[str] = []
        before = {one.filename for one in await self.archives()}
        while True:
            body = {
                "root_keys": [name for name in portion.roots if name not in unknown],
                "table_sets": [name for name in portion.tables if name not in unknown],
            }
            reply = await self._post(body, node, before, login=portion.login)
            if reply.status < 400:
                return Export(read_model(ExportFacts, reply), tuple(unknown))
            message = code_and_message(reply.body)[1]
            named = next((message.removeprefix(start) for start in _UNKNOWN if message.startswith(start)), "")
            fresh = [name for name in named.split(", ") if name in (*body["root_keys"], *body["table_sets"])]
            if not fresh:
                judged(reply)
            unknown += fresh

    async def _post(self, body: Mapping[str, Any], node: str, before: Collection[str], *, login: bool) -> Reply:
        """One export, repeated with patience; files of attempts that were not answered are removed, as those of others are not."""
        tries, ended, answered = 0, False, ""
        try:
            async for attempt in attempts(self.calls.patience_seconds):
                with attempt:
                    tries += 1
                    reply = await self.calls.call(
                        "POST",
                        "/data/export",
                        node=node,
                        body=body,
                        bearer=login,
                        accept=frozenset({400}),
                        timeout_seconds=_EXPORT_SECONDS,
                    )
            ended = True
            answered = "" if reply.status >= 400 else read_model(ExportFacts, reply).filename
        finally:
            if tries > 1 or not ended:
                await self._remove_new(node, {*before, answered}, login=login)
        return reply

    async def _remove_new(self, node: str, kept: Collection[str], *, login: bool) -> None:
        """What cannot be removed is left; the failure that led here is the one to be told."""
        with suppress(UpgradeError):
            for one in await self.archives():
                if one.node == node and one.filename not in kept:
                    await self.delete(one, login=login)

    async def download(self, facts: ExportFacts, path: Path, *, login: bool = False) -> str:
        """Stream an archive into a new file of mode 0600; its sha256.

        Repeated with patience; NotNow when fewer bytes came than were announced.
        """
        async for attempt in attempts(self.calls.patience_seconds):
            with attempt:
                sha256 = await self._download_once(facts, path, login=login)
        return sha256

    async def _download_once(self, facts: ExportFacts, path: Path, *, login: bool) -> str:
        with replacing(path) as file:
            sha256, size = await self._stream(facts, _writer(file, path), login=login)
            if size != facts.size:
                raise NotNow(
                    f"download of {facts.filename}",
                    node=facts.node,
                    seen=f"{size} of {facts.size} bytes arrived",
                    todo="run again; look at the node's disk when it stays so",
                )
        return sha256

    async def sha256(self, facts: ExportFacts, *, login: bool = False) -> str:
        """The sha256 of an archive that lies on a node, streamed."""
        async for attempt in attempts(self.calls.patience_seconds):
            with attempt:
                sha256, _ = await self._stream(facts, len, login=login)
        return sha256

    async def _stream(self, facts: ExportFacts, keep: Callable[[bytes], int], *, login: bool) -> tuple[str, int]:
        seen, size = hashlib.sha256(), 0
        path = f"/data/files/{quote(facts.filename, safe='')}"
        async with self.calls.stream(path, node=facts.node, params={"node": facts.node}, bearer=login) as pieces:
            async for piece in pieces:
                seen.update(piece)
                size += keep(piece)
        return seen.hexdigest(), size

    async def archives(self) -> list[ExportFacts]:
        """The archives on all nodes, newest first."""
        return [one async for page in self.calls.pages("/data/files", adapter=_FILES) for one in page]

    async def upload(self, path: Path, sha256: str, *, size: int, node: str, login: bool = False) -> bool:
        """Upload an archive to this node; False when it lay there already, with this sha256.

        The file name must be the archive's own (its top directory), so a name is unique; another content under it is
        Refused. Most checks of EMQX happen here: an older or newer version, another edition, broken content are Rejected.
        """
        with path.open("rb") as file:
            reply = await self.calls.call(
                "POST",
                "/data/files",
                node=node,
                files={"filename": (path.name, file, "application/gzip")},
                bearer=login,
                accept=frozenset({400}),
                repeatable=True,
                timeout_seconds=_EXPORT_SECONDS,
            )
        if reply.status < 400:
            return True
        if not code_and_message(reply.body)[1].endswith("already exists"):
            judged(reply)
        there = ExportFacts(filename=path.name, node=node, size=size)
        if await self.sha256(there, login=login) != sha256:
            raise Refused(
                f"upload of {path.name}",
                node=node,
                seen="a file of this name with another content lies there",
                todo="remove it with DELETE /data/files/<name>, or with emqx ctl, when it is not needed",
            )
        return False

    async def import_archive(
        self,
        name: str,
        *,
        node: str,
        waiting: Callable[[float], Awaitable[None]],
        limit_seconds: float,
        pipeline_seconds: float = PIPELINE_SECONDS,
        login: bool = False,
    ) -> None:
        """Import an archive on the node that has it; its 204 says little, only the inventory says what arrived.

        Never cut off before ``limit_seconds``, and repeated only when the server answered that it cannot now (500, 503), which
        is safe because an import is a merge. ``waiting`` as in ``post_kept_alive``.

        Raises:
            Refused: an earlier import was cut off in a way that only a person can mend.

        """
        call = Call(
            node=self.calls.node(node),
            root=self.calls.root,
            path="/data/import",
            body={"filename": name, "node": node},
            authorization=await self.calls.authorization(bearer=login),
        )
        try:
            async for attempt in attempts(self.calls.patience_seconds, on=NotNow):
                with attempt:
                    await post_kept_alive(
                        call, limit_seconds=limit_seconds, waiting=waiting, pipeline_seconds=pipeline_seconds
                    )
        except Rejected as error:
            if _STUCK_REINDEX in error.seen:
                raise _stuck(name, node) from None
            raise

    async def delete(self, facts: ExportFacts, *, login: bool = False) -> None:
        """Remove an archive from its node; gone already is fine."""
        path = f"/data/files/{quote(facts.filename, safe='')}"
        params = {"node": facts.node}
        await self.calls.call(
            "DELETE", path, node=facts.node, params=params, bearer=login, accept=frozenset({404}), repeatable=True
        )


def _stuck(name: str, node: str) -> Refused:
    return Refused(
        f"import of {name}",
        node=node,
        seen="an earlier import was cut off while it rebuilt the index of retained messages, and is still marked",
        todo="run `emqx ctl retainer reindex start true` on a green node and let it finish (it must not be cut off either), then"
        " run `pulumi up` again",
    )


def _writer(file: BinaryIO, path: Path) -> Callable[[bytes], int]:
    """``file.write``, whose failure is told from the connection's."""

    def write(piece: bytes) -> int:
        try:
            return file.write(piece)
        except OSError as error:
            reason = error.strerror or type(error).__name__
        raise BadInput(f"writing {path}", seen=reason, todo="free space there, or name another archive directory")

    return write
