"""Data export and import of 4.x: one JSON document for everything, on the node that made it.

Sources: docs/emqx/v4-data.md#export and #import. What 4.x does not have (orders, ``$SYS`` and delayed messages over its API) is nothing here,
and stands in the account of the conversion.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pydantic import TypeAdapter

from components.emqx.answers import ExportFacts
from components.emqx.base import Delayed, DelayedMessage, Export, Exports, Portion
from components.emqx.errors import GaveUp, NotNow, Refused, Rejected
from components.emqx.models import ExportsAccess
from components.emqx.reach import host_there
from components.emqx.reading import outline, read
from components.emqx.v4.calls import Calls, is_started
from components.emqx.v4.traits import LineTraits
from components.kubernetes.place import pod_of
from components.migration.inventory import Inventory
from components.migration.requests import Request
from components.system.command import CommandFailed, filled, output_of
from components.system.files import replacing

EVERYTHING = "everything"
EXPORT_SECONDS = 300.0
APART_SECONDS = 0.005
STARTED_SECONDS = 120.0
_AGAIN_SECONDS = 0.5
_GONE = frozenset({"not_found", "enoent"})
_FACTS = TypeAdapter(ExportFacts)
_LIST = TypeAdapter(list[ExportFacts])


class DataExports:
    """Data export and import of one 4.x cluster; ``access`` is how a file comes from its node, None where nobody said."""

    def __init__(
        self,
        calls: Calls,
        line: LineTraits,
        access: ExportsAccess | None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Nothing is asked yet; ``sleep`` is how it waits between two rules, and until a node has started."""
        self.calls, self.line, self.access, self._sleep = calls, line, access, sleep

    async def portions(self, *, accounts: bool) -> tuple[Portion, ...]:  # noqa: ARG002  -- they are in the one document
        """The one document."""
        return (Portion(EVERYTHING, (), (EVERYTHING,)),)

    async def export(self, portion: Portion, *, node: str) -> Export:  # noqa: ARG002  -- there is only one
        """Write an export on this node; of two in one second the second one is the first one's file."""
        if (made := self._made_by_hand()) is not None:
            return Export(ExportFacts(filename=made.name, node=node, size=made.stat().st_size), ())
        answer = await self.calls.ask("POST", "/data/export", node=node, timeout_seconds=EXPORT_SECONDS)
        return Export(read(_FACTS, answer.reply, answer.data), ())

    async def download(self, facts: ExportFacts, path: Path, *, login: bool = False) -> str:  # noqa: ARG002  -- no login here
        """Bring an export into a new file of mode 0600; its sha256.

        Raises:
            Refused: it does not come that way; says how it was tried and what to declare.

        """
        content = await self._content(facts)
        with replacing(path) as file:
            file.write(content)
        return hashlib.sha256(content).hexdigest()

    async def sha256(self, facts: ExportFacts, *, login: bool = False) -> str:  # noqa: ARG002  -- no login here
        """The sha256 of an export that lies on a node."""
        return hashlib.sha256(await self._content(facts)).hexdigest()

    async def archives(self) -> list[ExportFacts]:
        """The exports on all nodes, newest first; the one that somebody made, where the stack names it."""
        if (made := self._made_by_hand()) is not None:
            return [ExportFacts(filename=made.name, node=self.calls.node_names[0], size=made.stat().st_size)]
        answer = await self.calls.ask("GET", "/data/export")
        found: list[ExportFacts] = read(_LIST, answer.reply, answer.data)
        return sorted(found, key=lambda one: _moment(one.filename), reverse=True)

    async def upload(self, path: Path, sha256: str, *, size: int, node: str, login: bool = False) -> bool:  # noqa: ARG002
        """Upload a document to this node, over one of its name: 4.x keeps no two."""
        body = {"filename": path.name, "file": (await asyncio.to_thread(path.read_bytes)).decode()}
        await self.calls.ask(
            "POST", "/data/file", node=node, body=body, repeatable=True, timeout_seconds=EXPORT_SECONDS
        )
        return True

    async def import_archive(
        self,
        name: str,
        *,
        node: str,
        waiting: Callable[[float], Awaitable[None]],
        limit_seconds: float,
        login: bool = False,  # noqa: ARG002  -- no login here
    ) -> None:
        """Import a document that lies on the node; whether its users are there only their list says.

        Raises:
            Rejected: refused, after which half of it may be there.
            GaveUp: no answer in time.

        """
        if not self.line.imports:
            seen = f"EMQX {self.calls.handle.version} answers import_failed to every import over its API"
            raise Refused(
                f"import of {name}", node=node, seen=seen, todo="import with emqx_ctl data import on the node"
            )
        await self._started(name, node)
        body = {"filename": name, "node": node}
        call = asyncio.ensure_future(
            self.calls.ask("POST", "/data/import", node=node, body=body, timeout_seconds=limit_seconds)
        )
        try:
            await self._await(call, name, node, waiting, limit_seconds)
        finally:
            call.cancel()
            with suppress(BaseException):
                await call

    async def _started(self, name: str, node: str) -> None:
        """Wait until all plugins of the node are there: an import before that answers code 0 and imports neither users nor rules (trap 2)."""
        for _ in range(int(STARTED_SECONDS / _AGAIN_SECONDS)):
            if await is_started(self.calls, node):
                return
            await self._sleep(_AGAIN_SECONDS)
        todo = "look at the node's log; an import now would lose all users without a word"
        seen = f"/status does not say that it is started after {STARTED_SECONDS:g} s"
        raise GaveUp(f"import of {name}", node=node, seen=seen, todo=todo)

    async def _await(
        self, call: asyncio.Future[Any], name: str, node: str, waiting: Callable[[float], Awaitable[None]], limit: float
    ) -> None:
        elapsed = 0.0
        while not (await asyncio.wait({call}, timeout=1.0))[0]:
            elapsed += 1.0
            await waiting(elapsed)
            if elapsed >= limit:
                todo = "look at the node's log, make the new cluster anew, then run pulumi up again"
                raise GaveUp(f"import of {name}", node=node, seen=f"no answer after {limit:g} s", todo=todo)
        await call

    async def delete(self, facts: ExportFacts, *, login: bool = False) -> None:  # noqa: ARG002  -- no login here
        """Remove an export from its node; 4.4 answers ``not_found`` and keeps it, and one that somebody made is left alone."""
        if self._made_by_hand() is None:
            path = f"/data/file/{quote(facts.filename, safe='')}"
            await self.calls.ask("DELETE", path, node=facts.node, unless=_GONE, repeatable=True)

    async def send(self, request: Request, *, patience_seconds: float) -> bool:
        """Carry out a request of a conversion; a rule that is posted again is the newest again, so all of them are sent in their order.

        Rules are stamped with the clock in ms, and of one ms the topic decides: each gets one of its own (V_4.3.22_rules_again_and_early_client).
        """
        if request.method == "POST":
            await self._sleep(APART_SECONDS)
        answer = await self.calls.ask(
            request.method, request.path, body=request.body, repeatable=True, patience_seconds=patience_seconds
        )
        if not request.answered(answer.data):
            raise Rejected(
                answer.reply.tried,
                node=answer.reply.node,
                seen="it reads back otherwise than it was written",
                todo="look who else writes to the new cluster; then run pulumi up again",
            )
        return True

    async def restore_orders(self, source: Exports, wanted: Inventory, found: Inventory) -> list[str]:  # noqa: ARG002
        """4.x has no list whose order can be set."""
        return []

    async def ordered_rows(self, section: str) -> list[Any]:  # noqa: ARG002  -- it has no such section
        """None."""
        return []

    async def remove_foreign_sys(self, source_nodes: Iterable[str]) -> int:  # noqa: ARG002  -- no export of 4.x has any
        """None: no export of 4.x has retained messages."""
        return 0

    async def carry_delayed(self, source: Exports) -> int:  # noqa: ARG002  -- cannot be listed
        """None: 4.x does not list them."""
        return 0

    async def delayed(self) -> list[Delayed]:
        """None: 4.x does not list them."""
        return []

    async def delayed_message(self, one: Delayed) -> DelayedMessage | None:  # noqa: ARG002  -- none is listed
        """None."""
        return None

    def _made_by_hand(self) -> Path | None:
        """The file that the stack names, where it names one and not a directory."""
        if self.access is None or self.access.kind != "path" or "{" in self.access.path:
            return None
        named = Path(self.access.path).expanduser()
        return named if named.is_file() else None

    async def _content(self, facts: ExportFacts) -> bytes:
        access = self.access or ExportsAccess()
        if access.kind == "api":
            content = await self._over_the_api(facts)
        elif access.kind == "path":
            content = await asyncio.to_thread(self._read, access, facts)
        else:
            content = await self._printed(access, facts)
        return content if _is_whole(content) else _damaged(facts, content)

    async def _over_the_api(self, facts: ExportFacts) -> bytes:
        """4.2 and 4.3 answer ``{"filename", "file"}`` without a ``code``; 4.4 always ``not_found``."""
        path = f"/data/file/{quote(facts.filename, safe='')}"
        reply = await self.calls.call("GET", path, node=facts.node, timeout_seconds=EXPORT_SECONDS)
        body = reply.json()
        if isinstance(body, dict) and isinstance(body.get("file"), str):
            return str(body["file"]).encode()
        said = str(body.get("message")) if isinstance(body, dict) else "another shape"
        raise self._not_got(facts, f"the API answered {said[:60]}")

    def _read(self, access: ExportsAccess, facts: ExportFacts) -> bytes:
        named = Path(access.path.replace("{node}", facts.node).replace("{file}", facts.filename)).expanduser()
        place = named / facts.filename if named.is_dir() else named
        try:
            return place.read_bytes()
        except OSError as error:
            seen = f"{place}: {error.strerror or type(error).__name__}"
        raise self._not_got(facts, seen)

    async def _printed(self, access: ExportsAccess, facts: ExportFacts) -> bytes:
        backups = f"{access.directory.rstrip('/')}/{self.line.backups}".rstrip("/")
        host = host_there(self.calls.node(facts.node))
        known = {
            "path": f"{backups}/{facts.filename}",
            "file": facts.filename,
            "node": facts.node,
            "host": host,
            "pod": pod_of(host) or host,
        }
        try:
            return await output_of(filled(access.command, known), limit_seconds=EXPORT_SECONDS)
        except CommandFailed as failure:
            seen = str(failure)
        raise self._not_got(facts, seen)

    def _not_got(self, facts: ExportFacts, seen: str) -> Refused:
        colour = self.calls.handle.colour
        return Refused(
            f"fetching the export {facts.filename}",
            node=facts.node,
            seen=seen,
            todo=f"say in emqx:clusters.{colour}.exports how it is got: api (4.2 and 4.3), target, a path of this machine, or a command that"
            " prints {path}; nothing was touched",
        )


def _moment(filename: str) -> list[int]:
    """Year to second of a name, whose numbers have no leading zeros."""
    return [int(number) for number in re.findall(r"\d+", filename)]


def _is_whole(content: bytes) -> bool:
    try:
        found = outline(content)
    except ValueError:
        return False
    return isinstance(found, dict) and isinstance(found.get("version"), str)


def _damaged(facts: ExportFacts, content: bytes) -> bytes:
    raise NotNow(
        f"export {facts.filename}",
        node=facts.node,
        seen=f"{len(content)} bytes that are no whole export of EMQX 4.x",
        todo="look what lies there or what the command prints; then run pulumi up again",
    )


def access_problem(access: ExportsAccess | None, line: LineTraits) -> str | None:
    """Why no export could be got this way, as far as it is known before anything is touched; None when it may."""
    if access is None:
        return (
            None if line.hands_out else "it is not said how an export is got, and 4.4 never hands one out over its API"
        )
    if access.kind == "api" and not line.hands_out:
        return "4.4 never hands an export out over its API"
    if access.kind == "path" and "{" not in access.path and not Path(access.path).expanduser().exists():
        return f"{access.path} is not there"
    return None
