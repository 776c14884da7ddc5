"""Nodes of the lab, several of which live in one process that stops and starts each.

The rule: the host says what a node runs and where its data are; nothing of it is guessed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from components.cutover.words import Edition
from components.emqx.errors import Refused, Unreachable
from components.emqx.models import ClusterHandle, Credentials, KeeperHandle
from components.keepers.base import Copied, Running
from components.keepers.copies import WHILE_IT_RAN, Manifest, Source, aside, copied, copy
from components.local import lab_nodes, processes

DATA, ETC = "data", "etc"


def keeper(
    _handle: ClusterHandle, where: KeeperHandle, credentials: Credentials | None, interrupted: Callable[[], None]
) -> LabKeeper:
    """The keeper of the lab nodes in a directory."""
    return LabKeeper(Path(where.place), credentials, interrupted)


class LabKeeper:
    """Asks at the control port."""

    def __init__(self, directory: Path, credentials: Credentials | None, interrupted: Callable[[], None]) -> None:
        self._directory, self._credentials, self._interrupted = directory, credentials, interrupted

    async def stop(self, node: str) -> None:
        """As a SIGTERM would."""
        await asyncio.to_thread(lab_nodes.stop, self._ready(node), node)

    async def start(self, node: str, version: str, edition: Edition) -> None:
        """With the licence of the credentials where it is Enterprise."""
        ready = self._ready(node)
        here = await asyncio.to_thread(lab_nodes.look, ready, node)
        if here.running and (here.version, here.edition) != (version, edition):
            seen, todo = f"{here.version} ({here.edition}) runs there", "stop it first"
            raise Refused(f"starting {version} ({edition})", node=node, seen=seen, todo=todo)
        key = self._credentials.license if self._credentials and edition == "ee" else None
        await asyncio.to_thread(lab_nodes.start, ready, node, (version, edition), key, self._interrupted)
        await asyncio.to_thread(lab_nodes.remember, self._directory, ready)

    async def runs(self, node: str) -> Running | None:
        """As its host says."""
        here = await asyncio.to_thread(lab_nodes.look, self._ready(node), node)
        return Running(here.version, here.edition) if here.running else None

    async def back_up(self, node: str, place: Path) -> Copied:
        """Its data directory."""
        return await asyncio.to_thread(self._copy, node, place)

    async def copy_running(self, node: str, place: Path) -> Copied:
        """Its data directory, and what configures all nodes of its host."""
        return await asyncio.to_thread(self._copy_running, node, place)

    async def set_aside(self, node: str) -> Path | None:
        """Its data directory gets another name beside it."""
        return await asyncio.to_thread(lambda: aside(self._stopped(node, "moving the data aside").data))

    def _copy(self, node: str, to: Path) -> Copied:
        if (before := copied(to)) is not None:
            return before
        here = self._stopped(node, "copying its data")
        about = Manifest(
            node=node, cluster=str(self._directory), version=here.version, edition=here.edition, belongs={}, files=()
        )
        return copy(to, about, Source({DATA: here.data}, back=(DATA,)))

    def _copy_running(self, node: str, to: Path) -> Copied:
        here = lab_nodes.look(self._ready(node), node)
        about = Manifest(
            node=node,
            cluster=str(self._directory),
            version=here.version,
            edition=here.edition,
            belongs={},
            files=(),
            alone=WHILE_IT_RAN,
        )
        parts = {DATA: here.data, ETC: self._directory / ETC}
        return copy(to, about, Source(parts, back=()), running=True)

    def _stopped(self, node: str, tried: str) -> lab_nodes.LabNode:
        here = lab_nodes.look(self._ready(node), node)
        if here.running:
            raise Refused(tried, node=node, seen="it runs", todo="stop it first")
        return here

    def _ready(self, node: str) -> Mapping[str, Any]:
        ready = processes.running(self._directory)
        if ready is None:
            seen = f"no process of {self._directory} runs"
            raise Unreachable("asking for the node", node=node, seen=seen, todo="run pulumi up, which starts it again")
        return ready
