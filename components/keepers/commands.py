"""Nodes on machines that are not ours, kept by commands of their owner: stop, start, print a copy, take it back, set the data aside.

The rule: a command is a list of arguments and no shell; what a node runs its own API says, never the command. The licence is in the command's
environment, and in no argument.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from components.cutover.words import Edition
from components.emqx.errors import GaveUp, Refused
from components.emqx.models import ClusterHandle, Credentials, KeeperHandle
from components.keepers import archived
from components.keepers.asked import says, until_it_says
from components.keepers.base import Copied, Running
from components.keepers.copies import WHILE_IT_RAN, Manifest
from components.system.command import CommandFailed, filled, output_of
from components.system.ports import listens

LICENSE = "EMQX_LICENSE__KEY"
POLL_SECONDS = 0.3


def keeper(
    handle: ClusterHandle, where: KeeperHandle, credentials: Credentials | None, interrupted: Callable[[], None]
) -> CommandKeeper:
    """The keeper by the commands of the stack."""
    return CommandKeeper(handle, where, credentials, interrupted)


class CommandKeeper:
    """Asks the owner's commands to act, and the node's own API what came of it."""

    def __init__(
        self,
        handle: ClusterHandle,
        where: KeeperHandle,
        credentials: Credentials | None,
        interrupted: Callable[[], None],
    ) -> None:
        """Nothing is asked yet."""
        self._handle, self._where = handle, where
        self._credentials, self._interrupted = credentials, interrupted

    async def stop(self, node: str) -> None:
        """By the command, also where it does not run; then until nothing listens at its addresses."""
        tried = f"stopping {node}"
        await self._command("stop", node, tried)
        end = time.monotonic() + self._where.seconds
        while listening := await self._listening(node):
            self._interrupted()
            if time.monotonic() >= end:
                todo = "see that the command ends the node, and returns when it has"
                raise GaveUp(tried, node=node, seen=f"{', '.join(listening)} still open", todo=todo)
            await asyncio.sleep(POLL_SECONDS)

    async def start(self, node: str, version: str, edition: Edition) -> None:
        """By the command, and then until its API says that it runs this."""
        wanted, tried = Running(version, edition), f"starting {version} ({edition})"
        here = await self.runs(node)
        if here == wanted:
            return
        if here is not None:
            seen, todo = f"{here.version} ({here.edition}) runs there", "stop it first"
            raise Refused(tried, node=node, seen=seen, todo=todo)
        key = self._credentials.license if self._credentials and edition == "ee" else None
        more = {"version": version, "edition": edition}
        await self._command("start", node, tried, more, {LICENSE: key} if key else {})
        limit = self._where.seconds
        here = await until_it_says(partial(self.runs, node), limit, POLL_SECONDS, self._interrupted)
        if here is None:
            seen = f"its API does not answer after {limit:g} s"
            raise GaveUp(tried, node=node, seen=seen, todo="look at the log of the node")
        if here != wanted:
            todo = f"let emqx:clusters.{self._handle.colour}.keeper.start install and start {{version}} and {{edition}}"
            raise GaveUp(tried, node=node, seen=f"it runs {here.version} ({here.edition})", todo=todo)

    async def runs(self, node: str) -> Running | None:
        """As its own API says; None while that does not answer."""
        return await says(self._handle, node, self._credentials)

    async def back_up(self, node: str, place: Path) -> Copied:
        """What the command prints, a tar archive."""
        await self._refuse_running(node, f"copying {node}")
        return await self._kept(node, place)

    async def copy_running(self, node: str, place: Path) -> Copied:
        """The same command's, whether the node runs or not."""
        return await self._kept(node, place, alone=WHILE_IT_RAN)

    async def _kept(self, node: str, place: Path, **more: str) -> Copied:
        tried = f"copying {node}"
        version, _, edition = place.name.removeprefix(f"{node}-").partition("-")
        about = Manifest(
            node=node,
            cluster=next(one.api for one in self._handle.nodes if one.name == node),
            version=version or None,
            edition=edition or None,
            belongs={},
            files=(),
            restore=tuple(filled(self._where.commands["restore"], self._words(node))),
        ).model_copy(update=more)

        async def printed(path: Path) -> None:
            await self._command("backUp", node, tried, into=path)

        return await archived.keep(place, about, printed)

    async def set_aside(self, node: str) -> Path | None:
        """By the command; it may print where they are."""
        tried = f"setting the data of {node} aside"
        await self._refuse_running(node, tried)
        said = (await self._command("setAside", node, tried)).decode("utf-8", "replace").split()
        return Path(said[-1]) if said and said[-1].startswith("/") else None

    async def _command(
        self,
        word: str,
        node: str,
        tried: str,
        more: Mapping[str, str] | None = None,
        environment: Mapping[str, str] | None = None,
        into: Path | None = None,
    ) -> bytes:
        arguments = filled(self._where.commands[word], {**self._words(node), **(more or {})})
        limit = self._where.seconds
        try:
            return await output_of(
                arguments, limit_seconds=limit, environment=environment, into=into, interrupted=self._interrupted
            )
        except CommandFailed as failure:
            seen = str(failure)
        for secret in (environment or {}).values():
            seen = seen.replace(secret, "***")
        todo = f"correct emqx:clusters.{self._handle.colour}.keeper.{word} or what it finds there, then run pulumi up again"
        raise GaveUp(tried, node=node, seen=seen, todo=todo)

    @staticmethod
    def _words(node: str) -> dict[str, str]:
        return {"node": node, "host": node.partition("@")[2]}

    async def _refuse_running(self, node: str, tried: str) -> None:
        if listening := await self._listening(node):
            raise Refused(tried, node=node, seen=f"it listens at {', '.join(listening)}", todo="stop it first")

    async def _listening(self, node: str) -> list[str]:
        """Which of its addresses take a connection."""
        one = next(each for each in self._handle.nodes if each.name == node)
        places = [one.api.partition("://")[2].rstrip("/"), one.mqtt]
        return [place for place in places if await listens(place)]
