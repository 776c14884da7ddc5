"""The share in HAProxy's map on every replica; a write counts only once it is read back.

The rule: only what runs is spoken to. What a replica that restarts begins with is the ledger's: ``files`` writes the very map that HAProxy loads.
"""

from __future__ import annotations

import asyncio
import csv
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import stamina

from components.cutover.words import COLOURS, Colour
from components.emqx.errors import NotNow, Refused, Unreachable
from components.emqx.models import BalancerHandle
from components.ledger import files as maps
from components.ledger.base import require_parts
from components.routers.base import Capabilities
from components.routers.haproxy.names import colour_of, node_name
from components.routers.haproxy.runtime import ask

stamina.instrumentation.set_on_retry_hooks([])
"""A replica that is asked again is no news; it would be printed between the lines of the update."""

CAN = Capabilities("client-id", late_clients=frozenset({"no-id", "assigned-id", "websocket"}))


class HaproxyRouter:
    """Router over HAProxy 2.8 (docs/emqx/balancer.md).

    Args:
        handle: where the replicas' sockets are.
        timeout_seconds: for one command on one replica.
        patience_seconds: for how long a replica may be away (a restart takes less than a second) before it counts as dead.

    """

    def __init__(self, handle: BalancerHandle, *, timeout_seconds: float = 2.0, patience_seconds: float = 5.0) -> None:
        self._handle = handle
        self._replicas = handle.admin
        self._timeout_seconds = timeout_seconds
        self._patience_seconds = patience_seconds

    @property
    def can(self) -> Capabilities:
        """What this one can do; nobody comes by WebSocket where it does not listen for it."""
        late = CAN.late_clients if self._handle.websocket else CAN.late_clients - {"websocket"}
        return replace(CAN, late_clients=late)

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
        """How many connections all replicas together hold to each colour."""
        held: dict[Colour, int] = {}
        for colour, row in await self._rows("2"):
            held[colour] = held.get(colour, 0) + int(row["scur"])
        return held

    def _alone(self, admin: str) -> HaproxyRouter:
        handle = self._handle.model_copy(update={"admin": (admin,)})
        return HaproxyRouter(handle, timeout_seconds=self._timeout_seconds, patience_seconds=self._patience_seconds)

    async def _rows(self, kind: str) -> list[tuple[Colour, dict[str, str]]]:
        """The statistics of all replicas: of backends (kind 2) or of servers (kind 4)."""
        answers = await asyncio.gather(*(self._ask(replica, f"show stat -1 {kind} -1") for replica in self._replicas))
        rows = [row for answer in answers for row in _parsed(answer)]
        return [(colour, row) for row in rows if (colour := colour_of(row["pxname"])) is not None]

    async def _change(self, replica: str, value: str) -> None:
        number = await self._number(replica)
        if "not found" in await self._ask(replica, f"set map #{number} {maps.SHARE_KEY} {value}"):
            await self._ask(replica, f"add map #{number} {maps.SHARE_KEY} {value}")
        held = await self._held(replica)
        if held != value:
            seen = f"it is {held}, not {value}"
            raise NotNow("setting green's share", node=replica, seen=seen, todo="run the update again")

    async def _number(self, replica: str) -> str:
        """HAProxy's number of the map: its path in the configuration may hold what a command line may not."""
        for line in (await self._ask(replica, "show map")).splitlines():
            number, _, rest = line.partition(" (")
            if number.isdigit() and Path(rest.split(") ")[0]).name == maps.SHARE:
                return number
        seen, todo = "this HAProxy has no such map", "render its configuration"
        raise Refused(f"finding {maps.SHARE}", node=replica, seen=seen, todo=todo)

    async def _held(self, replica: str) -> str:
        lines = (await self._ask(replica, f"show map #{await self._number(replica)}")).splitlines()
        return dict(line.split(" ", 2)[1:] for line in lines if line).get(maps.SHARE_KEY, "0")

    async def _ask(self, replica: str, command: str) -> str:
        retrying = stamina.retry_context(
            on=Unreachable, attempts=None, timeout=self._patience_seconds, wait_initial=0.05, wait_max=0.5
        )
        async for attempt in retrying:
            with attempt:
                return await asyncio.to_thread(ask, replica, command, self._timeout_seconds)
        raise AssertionError(command)


def _parsed(answer: str) -> Iterable[dict[str, str]]:
    return csv.DictReader(answer.removeprefix("# ").strip().splitlines())
