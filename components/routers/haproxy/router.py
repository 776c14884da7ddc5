"""The share in HAProxy's map on every replica; a write counts only once it is read back.

The rule: only what runs is spoken to. What a replica that restarts begins with is the ledger's: ``files`` writes the very map that HAProxy loads.
"""

from __future__ import annotations

import asyncio
import csv
import shlex
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import stamina

from components.cutover.capabilities import HAPROXY
from components.cutover.words import COLOURS, Colour
from components.emqx.errors import NotNow, Refused, Unreachable
from components.emqx.models import BalancerHandle
from components.ledger import files as maps
from components.ledger.base import require_parts
from components.routers.base import Bound, Capabilities, Mark, SeenAs, Server, ServerState
from components.routers.haproxy import bounding, closing
from components.routers.haproxy.names import backend, colour_of, node_name, server_name
from components.routers.haproxy.servers import standing
from components.routers.haproxy.way import SOCKETS, Way
from components.routers.haproxy.workers import Worker, by_master, listening, older, retiring

stamina.instrumentation.set_on_retry_hooks([])
"""A replica that is asked again is no news; it would be printed between the lines of the update."""

T = TypeVar("T")


def capabilities_of(handle: BalancerHandle, there: Capabilities = HAPROXY) -> Capabilities:
    """What HAProxy can do where it runs, ``there``; nobody comes by WebSocket where it does not listen for it, and behind a balancer it shows that one's address (docs/emqx/balancer.md#behind-another-balancer)."""
    late = there.late_clients if handle.websocket else there.late_clients - {"websocket"}
    return replace(there, late_clients=late, hides_clients=handle.behind)


class HaproxyRouter:
    """Router over HAProxy 2.8 (docs/emqx/balancer.md).

    Args:
        handle: where the replicas' sockets are.
        timeout_seconds: for one command on one replica.
        patience_seconds: for how long a replica may be away (a restart takes less than a second) before it counts as dead.
        leaving: admin sockets of replicas that take nobody any more and still have clients; one that has ended by now has none.
        way: how the sockets are reached.
        map_: the share's map as the configuration names it, where that has nothing odd in it; None looks for its number first.

    """

    def __init__(
        self,
        handle: BalancerHandle,
        *,
        timeout_seconds: float = 2.0,
        patience_seconds: float = 5.0,
        leaving: Sequence[str] = (),
        way: Way = SOCKETS,
        map_: str | None = None,
    ) -> None:
        self._handle, self._leaving, self._way, self._map = handle, leaving, way, map_
        self._replicas = handle.admin
        self._timeout_seconds = timeout_seconds
        self._patience_seconds = patience_seconds

    @property
    def can(self) -> Capabilities:
        """What this one can do; nobody comes by WebSocket where it does not listen for it."""
        return capabilities_of(self._handle)

    @property
    def end_command(self) -> str:
        """SIGTERM to every process of the balancer's directory."""
        return f"kill $(cat {shlex.quote(self._handle.maps)}/*/haproxy.pid)"

    def replicas(self) -> Sequence[HaproxyRouter]:
        """A router for each HAProxy process."""
        return [self._alone(admin) for admin in self._replicas]

    async def share(self) -> int:
        """Green's share in parts of 10,000.

        Raises:
            Refused: replicas disagree; names who has what.
            Unreachable: a replica does not answer.

        """
        values = dict(zip(self._replicas, await asyncio.gather(*map(self._held, self._replicas)), strict=True))
        if len(set(values.values())) == 1:
            return int(next(iter(values.values())))
        seen = ", ".join(f"{replica} has {value}" for replica, value in values.items())
        todo = "run pulumi up: its first link settles them to the ledger's share"
        raise Refused("green's share", node="the balancer", seen=f"replicas disagree: {seen}", todo=todo)

    async def set_share(self, parts: int) -> None:
        """Set green's share on every replica, and read it back.

        Raises:
            BadInput: not within 0..10000.
            NotNow: a replica took it and still has another value.
            Unreachable: a replica does not answer.

        """
        require_parts(parts)
        await asyncio.gather(*(self._change(replica, str(parts)) for replica in self._replicas))

    async def health(self) -> Mapping[Colour, Mapping[str, bool]]:
        """For each colour and node name, whether every replica has it fully ``UP`` (``UP 1/2`` is not)."""
        health: dict[Colour, dict[str, bool]] = {colour: {} for colour in COLOURS}
        for colour, row in await self._rows("4"):
            # those for WebSocket follow these
            if row["pxname"] != colour:
                continue
            node = node_name(row["svname"])
            health[colour][node] = health[colour].get(node, True) and row["status"] == "UP"
        return health

    async def connections(self) -> Mapping[Colour, int]:
        """How many connections all replicas together hold to each colour, with those of before a reload."""
        held: dict[Colour, int] = {}
        for colour, row in [*await self._rows("2"), *await self._older_rows("2")]:
            held[colour] = held.get(colour, 0) + int(row["scur"])
        return held

    async def servers(self) -> Mapping[Colour, Mapping[str, Server]]:
        """For each colour and node its state on the replicas, and how many connections all of them hold to it, with those of before a reload."""
        answers = await self._of_all("show servers state")
        states: dict[tuple[Colour, str], set[ServerState]] = {}
        for colour, node, state in (one for answer in answers for one in standing(answer)):
            states.setdefault((colour, node), set()).add(state)
        held = dict.fromkeys(states, 0)
        for colour, row in [*await self._rows("4"), *await self._older_rows("4")]:
            name = colour, node_name(row["svname"])
            held[name] = held.get(name, 0) + int(row["scur"])
        servers: dict[Colour, dict[str, Server]] = {colour: {} for colour in COLOURS}
        for (colour, node), found in states.items():
            servers[colour][node] = Server(found.pop() if len(found) == 1 else None, held[colour, node])
        return servers

    async def set_server(self, colour: Colour, node: str, state: ServerState) -> None:
        """Set the state of a node's server on every replica, and read it back; one that is ready needs one check that succeeds, however long it was down.

        Raises:
            Refused: a replica has no such server.
            NotNow: a replica took it and still has another state.
            Unreachable: a replica does not answer.

        """
        states = (
            ("maint", "ready") if state == "ready" else (state,)
        )  # HAProxy begins anew with who comes out of maintenance
        command = "; ".join(f"set server {colour}/{server_name(node)} state {one}" for one in states)
        for replica, answer in zip(self._replicas, await self._of_all(command), strict=True):
            if answer.strip():
                todo = "run pulumi up: it brings the balancer to the declared nodes"
                raise Refused(f"setting {node} to {state}", node=replica, seen=answer.strip(), todo=todo)
        for replica, answer in zip(self._replicas, await self._of_all("show servers state"), strict=True):
            seen = {(one.colour, one.node): one.state for one in standing(answer)}.get((colour, node))
            if seen != state:
                todo = "run the update again"
                raise NotNow(f"setting {node} to {state}", node=replica, seen=f"it is {seen}", todo=todo)

    async def bound(self, bounds: Sequence[Bound]) -> None:
        """Bring every server's ``maxconn`` to what these bounds leave for it; one replica that does not take it is told again at the next time."""
        rows = await asyncio.gather(*(self._ask(replica, "show stat -1 4 -1") for replica in self._replicas))
        doors = [
            bounding.door(replica, colour, row)
            for replica, answer in zip(self._replicas, rows, strict=True)
            for colour, row in _rows([answer])
        ]
        elsewhere: dict[Colour, int] = {}
        for colour, row in await self._older_rows("4"):
            elsewhere[colour] = elsewhere.get(colour, 0) + int(row["scur"])
        told = bounding.commands(doors, bounds, elsewhere)
        await asyncio.gather(*(self._ask(replica, "; ".join(lines)) for replica, lines in told.items()))

    async def mark(self) -> Mark:
        """How many connections each process has had until now."""
        return {closing.key(one): one.connections for one in await self._workers()}

    async def find(
        self, colour: Colour, addresses: Collection[str], *, seen_as: SeenAs = "client", websocket_only: bool = False
    ) -> dict[str, str]:
        """Where the connections to a colour with these addresses are, by address, on whichever replica; one that two have is missing."""
        names = {backend(colour, websocket=True)} | (set() if websocket_only else {backend(colour)})
        return await closing.find(self._read_worker, await self._workers(), names, addresses, seen_as)

    async def close(
        self, colour: Colour, found: Mapping[str, str], *, seen_as: SeenAs = "client", mark: Mark | None = None
    ) -> frozenset[str]:
        """End connections that were found; the addresses of those that were still there (``Router.close``)."""
        return await closing.close(self._read_worker, await self._workers(), colour, found, seen_as, mark)

    def _alone(self, admin: str) -> HaproxyRouter:
        handle = self._handle.model_copy(update={"admin": (admin,)})
        seconds, patience = self._timeout_seconds, self._patience_seconds
        return HaproxyRouter(handle, timeout_seconds=seconds, patience_seconds=patience, way=self._way, map_=self._map)

    async def _rows(self, kind: str) -> list[tuple[Colour, dict[str, str]]]:
        """The statistics of all replicas: of backends (kind 2) or of servers (kind 4)."""
        return _rows(await self._of_all(f"show stat -1 {kind} -1"))

    async def _older_rows(self, kind: str) -> list[tuple[Colour, dict[str, str]]]:
        """Those of the processes that listen no more."""
        old = [one for one in await self._workers() if not one.listens]
        return _rows(
            await asyncio.gather(*(self._read_worker(one, [f"show stat -1 {kind} -1"], "".join) for one in old))
        )

    async def _workers(self) -> list[Worker]:
        """Every process of every replica: those that listen, and those that still keep clients of before a reload."""
        infos = await self._of_all("show info")
        found = [listening(replica, info) for replica, info in zip(self._replicas, infos, strict=True)]
        old = await asyncio.gather(
            *(older(replica, self._ask_master, self._way.there) for replica in self._replicas),
            *(self._retiring(replica) for replica in self._leaving),
        )
        before = [one for some in old for one in some]
        said = await asyncio.gather(*(self._read_worker(one, ["show info"], "".join) for one in before))
        return [*found, *(one.counted(info) for one, info in zip(before, said, strict=True) if "Pid: " in info)]

    async def _retiring(self, replica: str) -> list[Worker]:
        try:
            return await retiring(replica, self._ask_master_once)
        except Unreachable:
            return []

    async def _ask_master_once(self, master: str, command: str) -> str:
        return await self._way.read(master, command, self._timeout_seconds, "".join, closing=True)

    async def _read_worker(
        self, worker: Worker, commands: Sequence[str], take: Callable[[Iterable[str]], T], /, *, only: str = ""
    ) -> T:
        if worker.listens:
            return await self._read(worker.admin, "; ".join(commands), take, only=only)
        return await self._read(*by_master(worker, commands), take, closing=True, only=only)

    async def _of_all(self, command: str) -> Sequence[str]:
        return await asyncio.gather(*(self._ask(replica, command) for replica in self._replicas))

    async def _change(self, replica: str, value: str) -> None:
        name = await self._name(replica)
        if "not found" in await self._ask(replica, f"set map {name} {maps.SHARE_KEY} {value}"):
            await self._ask(replica, f"add map {name} {maps.SHARE_KEY} {value}")
        held = await self._held(replica)
        if held != value:
            seen = f"it is {held}, not {value}"
            raise NotNow("setting green's share", node=replica, seen=seen, todo="run the update again")

    async def _name(self, replica: str) -> str:
        """The map's name, or HAProxy's number of it: its path in the configuration may hold what a command line may not."""
        if self._map is not None:
            return self._map
        for line in (await self._ask(replica, "show map")).splitlines():
            number, _, rest = line.partition(" (")
            if number.isdigit() and Path(rest.split(") ")[0]).name == maps.SHARE:
                return f"#{number}"
        seen, todo = "this HAProxy has no such map", "render its configuration"
        raise Refused(f"finding {maps.SHARE}", node=replica, seen=seen, todo=todo)

    async def _held(self, replica: str) -> str:
        lines = (await self._ask(replica, f"show map {await self._name(replica)}")).splitlines()
        return dict(line.split(" ", 2)[1:] for line in lines if line).get(maps.SHARE_KEY, "0")

    async def _ask_master(self, master: str, command: str) -> str:
        return await self._read(master, command, "".join, closing=True)

    async def _ask(self, place: str, command: str) -> str:
        return await self._read(place, command, "".join)

    async def _read(
        self,
        place: str,
        command: str,
        take: Callable[[Iterable[str]], T],
        *,
        closing: bool = False,
        only: str = "",
    ) -> T:
        retrying = stamina.retry_context(
            on=Unreachable, attempts=None, timeout=self._patience_seconds, wait_initial=0.05, wait_max=0.5
        )
        async for attempt in retrying:
            with attempt:
                return await self._way.read(place, command, self._timeout_seconds, take, closing=closing, only=only)
        raise AssertionError(command)


def _rows(answers: Iterable[str]) -> list[tuple[Colour, dict[str, str]]]:
    rows = [row for answer in answers for row in csv.DictReader(answer.strip().removeprefix("# ").splitlines())]
    return [(colour, row) for row in rows if (colour := colour_of(row["pxname"])) is not None]
