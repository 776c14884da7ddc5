"""Nodes on this machine: each node of a release is a process of its own.

The rule: a node is found by its name in the files of its cluster's directory; nothing is started while another update starts something there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path

from components.cutover.words import Edition
from components.emqx.errors import BadInput, Refused
from components.emqx.models import ClusterHandle, Credentials, KeeperHandle, missing_credentials
from components.keepers.base import Copied, NodeKeeper, Running
from components.keepers.copies import WHILE_IT_RAN, Manifest, Source, aside, copied, copy
from components.local import processes, release, release_processes
from components.local.cluster import KEY_FILE
from components.local.release import Place, Release

DATA, STARTED_WITH, ETC = "data", release.RUNS, "etc"
"""The parts of a copy: the data directory, what the node was started with, and the configuration files of its release."""


def keeper(
    handle: ClusterHandle, where: KeeperHandle, credentials: Credentials | None, interrupted: Callable[[], None]
) -> NodeKeeper:
    """The keeper of a release's nodes on this machine; BadInput when the handle names no release."""
    if where.release is None:
        todo = "declare emqxHome"
        raise BadInput("the keeper of the nodes", node=handle.colour, seen="no release is named", todo=todo)
    return ReleaseKeeper(handle, Path(where.place), Path(where.release), credentials, interrupted)


class ReleaseKeeper:
    """One ``bin/emqx foreground`` for each node."""

    def __init__(
        self,
        handle: ClusterHandle,
        directory: Path,
        declared: Path,
        credentials: Credentials | None,
        interrupted: Callable[[], None],
    ) -> None:
        self._handle, self._directory, self._declared = handle, directory.resolve(), declared
        self._credentials, self._interrupted = credentials, interrupted

    async def stop(self, node: str) -> None:
        """SIGTERM, and SIGKILL to one that does not end in a minute."""
        await asyncio.to_thread(release_processes.stop_node, self._place(node))

    async def start(self, node: str, version: str, edition: Edition) -> None:
        """The declared release where it is that version, or the one that the node was started with last."""
        await asyncio.to_thread(self._start, self._place(node), version, edition)

    async def runs(self, node: str) -> Running | None:
        """As it was written down at its start."""
        place = self._place(node)
        if release_processes.pid_of(place) is None:
            return None
        last = release.last_of(place)
        return Running(None, None) if last is None else Running(last.version, last.edition)

    async def back_up(self, node: str, place: Path) -> Copied:
        """Its data directory, what it was started with, and the configuration files of that release."""
        return await asyncio.to_thread(self._copy, self._place(node), place)

    async def copy_running(self, node: str, place: Path) -> Copied:
        """The same, whether it runs or not."""
        return await asyncio.to_thread(self._copy, self._place(node), place, running=True)

    async def set_aside(self, node: str) -> Path | None:
        """Its data directory gets another name beside it."""
        place = self._place(node)
        self._refuse_running(place, "moving the data aside")
        return await asyncio.to_thread(aside, place.data)

    def _start(self, place: Place, version: str, edition: Edition) -> None:
        if self._credentials is None:
            raise missing_credentials(self._handle.colour)
        found = self._release(place, version, edition)
        last = release.last_of(place)
        if release_processes.pid_of(place) is not None and last is not None and last != found:
            seen, todo = f"{last.version} ({last.edition}) runs there", "stop it first"
            raise Refused(f"starting {version} ({edition})", node=place.node.name, seen=seen, todo=todo)
        places = release_processes.described(self._directory)
        keys = self._directory / KEY_FILE
        proxied = self._handle.proxy_protocol
        common = release_processes.common_of(places, keys, self._credentials, proxy_protocol=proxied)
        with processes.one_start(self._directory, self._interrupted):
            release_processes.start_node(found, place, common, self._interrupted)

    def _release(self, place: Place, version: str, edition: Edition) -> Release:
        last = release.last_of(place)
        homes = [self._declared, *([last.home] if last else [])]
        for home in homes:
            found = Release.read(str(home))
            if not found.differs(version, edition):
                return found
        raise BadInput(
            f"starting {version} ({edition})",
            node=place.node.name,
            seen=f"no such release in {', '.join(map(str, homes))}",
            todo=f"set emqx:clusters.{self._handle.colour}.emqxHome to an unpacked release of this version",
        )

    def _copy(self, place: Place, to: Path, *, running: bool = False) -> Copied:
        if (before := copied(to)) is not None:
            return before
        if not running:
            self._refuse_running(place, "copying its data")
        last = release.last_of(place)
        parts = {DATA: place.data, STARTED_WITH: place.home / release.RUNS}
        parts |= {ETC: last.home / "etc"} if last else {}
        version, edition = (last.version, last.edition) if last else (None, None)
        about = Manifest(
            node=place.node.name, cluster=str(self._directory), version=version, edition=edition, belongs={}, files=()
        )
        if running:
            return copy(to, about.model_copy(update={"alone": WHILE_IT_RAN}), Source(parts, back=()), running=True)
        return copy(to, about, Source(parts, back=(DATA, STARTED_WITH)))

    def _refuse_running(self, place: Place, tried: str) -> None:
        pid = release_processes.pid_of(place)
        if pid is not None:
            raise Refused(tried, node=place.node.name, seen=f"it runs as process {pid}", todo="stop it first")

    def _place(self, node: str) -> Place:
        found = {place.node.name: place for place in release_processes.described(self._directory)}
        if node not in found:
            raise _unknown(node, found, self._directory)
        return found[node]


def _unknown(node: str, known: Iterable[str], directory: Path) -> BadInput:
    seen = f"the nodes of {directory} are {', '.join(sorted(known)) or 'none'}"
    return BadInput("looking for the node", node=node, seen=seen, todo="name one of these")
