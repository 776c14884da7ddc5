"""The share and the memory in HAProxy's maps, on every replica and in the files; a write counts only once it is read back.

The files are written first: a replica that restarts at that very moment must come back with the new values, not the old ones.
"""

from __future__ import annotations

import asyncio
import csv
from collections.abc import Iterable, Mapping
from pathlib import Path

import stamina

from components.cutover.words import COLOURS, PARTS, Colour
from components.emqx.errors import BadInput, NotNow, Refused, Unreachable
from components.emqx.models import BalancerHandle
from components.ledger import files as maps
from components.ledger.base import require_lease
from components.routers.haproxy.runtime import ask

stamina.instrumentation.set_on_retry_hooks([])
"""A replica that is asked again is no news; it would be printed between the lines of the update."""


class HaproxyRouter:
    """Router over HAProxy 2.8 (docs/emqx/balancer.md).

    Args:
        handle: where the replicas' sockets and the map files are.
        timeout_seconds: for one command on one replica.
        patience_seconds: for how long a replica may be away (a restart takes less than a second) before it counts as dead.

    """

    def __init__(self, handle: BalancerHandle, *, timeout_seconds: float = 2.0, patience_seconds: float = 5.0) -> None:
        self._replicas = handle.admin
        self._directory = Path(handle.maps)
        self._timeout_seconds = timeout_seconds
        self._patience_seconds = patience_seconds

    async def share(self) -> int:
        """Green's share in parts of 10,000.

        Raises:
            Refused: replicas disagree; names who has what.
            Unreachable: a replica does not answer.

        """
        seen = await self._all(maps.SHARE)
        values = {replica: held.get(maps.SHARE_KEY, "0") for replica, held in seen.items()}
        return int(_agreed("green's share", values))

    async def set_share(self, parts: int, *, holder: str | None = None) -> None:
        """Set green's share in the file and on every replica, and read it back.

        Args:
            parts: of 10,000.
            holder: the run that acts; the lease is compared while nobody else can write.

        Raises:
            BadInput: not within 0..10000.
            LeaseLost: another run than ``holder`` may act; nothing was written.
            NotNow: a replica took it and still has another value.

        """
        if not 0 <= parts <= PARTS:
            raise BadInput("setting green's share", seen=f"{parts}", todo=f"give parts of {PARTS}: 0..{PARTS}")
        await self._change(maps.SHARE, {maps.SHARE_KEY: str(parts)}, holder)

    async def memory(self) -> Mapping[str, str]:
        """Everything remembered, the same on all replicas (Refused when not)."""
        seen = await self._all(maps.MEMORY)
        names = {name for held in seen.values() for name in held}
        agreed = {
            name: _agreed(
                f"memory {maps.decode(name)}", {replica: held.get(name, "") for replica, held in seen.items()}
            )
            for name in sorted(names)
        }
        return {maps.decode(name): maps.decode_value(value) for name, value in agreed.items()}

    async def remember(self, values: Mapping[str, str | None], *, holder: str | None = None) -> None:
        """Set the named values in the file and on every replica, and read them back; ``None`` forgets.

        Raises:
            LeaseLost: as ``set_share``.

        """
        encoded = {
            maps.encode(name): None if value is None else maps.encode_value(value) for name, value in values.items()
        }
        await self._change(maps.MEMORY, encoded, holder)

    async def settle(self) -> None:
        """Bring every replica to what the files say: after a run that was killed between two replicas, or a replaced replica."""
        for name in (maps.SHARE, maps.MEMORY):
            wanted: dict[str, str | None] = dict(maps.read(self._directory / name))
            strange = {key for held in (await self._all(name)).values() for key in held} - set(wanted)
            await self._change(name, {**wanted, **dict.fromkeys(strange)})

    async def health(self) -> Mapping[Colour, Mapping[str, bool]]:
        """For each colour and node name, whether every replica has it fully ``UP`` (``UP 1/2`` is not)."""
        answers = await asyncio.gather(*(self._ask(replica, "show stat -1 4 -1") for replica in self._replicas))
        health: dict[Colour, dict[str, bool]] = {colour: {} for colour in COLOURS}
        for row in (row for answer in answers for row in _rows(answer)):
            for colour in COLOURS:
                if row["pxname"] == colour:
                    node = maps.node_name(row["svname"])
                    health[colour][node] = health[colour].get(node, True) and row["status"] == "UP"
        return health

    async def _change(self, name: str, values: Mapping[str, str | None], holder: str | None = None) -> None:
        try:
            async with maps.locked(self._directory, self._patience_seconds):
                if holder is not None:
                    require_lease(maps.words(self._directory / maps.MEMORY), holder)
                self._change_file(name, values)
                await asyncio.gather(*(self._change_one(replica, name, values) for replica in self._replicas))
        except OSError as error:
            todo = "see that this machine has the balancer's directory and may write to it"
            raise Refused(f"writing {name}", node=str(self._directory), seen=str(error), todo=todo) from error

    def _change_file(self, name: str, values: Mapping[str, str | None]) -> None:
        held = maps.read(self._directory / name) | {key: value for key, value in values.items() if value is not None}
        kept = {key: value for key, value in held.items() if values.get(key, value) is not None}
        maps.write(self._directory / name, kept)

    async def _change_one(self, replica: str, name: str, values: Mapping[str, str | None]) -> None:
        number = await self._number(replica, name)
        for key, value in values.items():
            if value is None:
                await self._ask(replica, f"del map #{number} {key}")
            elif "not found" in await self._ask(replica, f"set map #{number} {key} {value}"):
                await self._ask(replica, f"add map #{number} {key} {value}")
        held = await self._held(replica, number)
        wrong = [f"{key} is {held.get(key)}, not {value}" for key, value in values.items() if held.get(key) != value]
        if wrong:
            raise NotNow(f"writing {name}", node=replica, seen="; ".join(wrong), todo="run the update again")

    async def _all(self, name: str) -> dict[str, dict[str, str]]:
        async def one(replica: str) -> dict[str, str]:
            return await self._held(replica, await self._number(replica, name))

        return dict(zip(self._replicas, await asyncio.gather(*map(one, self._replicas)), strict=True))

    async def _number(self, replica: str, name: str) -> str:
        """HAProxy's number of a map: its path in the configuration may hold what a command line may not."""
        for line in (await self._ask(replica, "show map")).splitlines():
            number, _, rest = line.partition(" (")
            if number.isdigit() and Path(rest.split(") ")[0]).name == name:
                return number
        raise Refused(
            f"finding {name}", node=replica, seen="this HAProxy has no such map", todo="render its configuration"
        )

    async def _held(self, replica: str, number: str) -> dict[str, str]:
        lines = (await self._ask(replica, f"show map #{number}")).splitlines()
        return dict(line.split(" ", 2)[1:] for line in lines if line)

    async def _ask(self, replica: str, command: str) -> str:
        retrying = stamina.retry_context(
            on=Unreachable, attempts=None, timeout=self._patience_seconds, wait_initial=0.05, wait_max=0.5
        )
        async for attempt in retrying:
            with attempt:
                return await asyncio.to_thread(ask, replica, command, self._timeout_seconds)
        raise AssertionError(command)


def _agreed(what: str, values: Mapping[str, str]) -> str:
    if len(set(values.values())) == 1:
        return next(iter(values.values()))
    seen = ", ".join(f"{replica} has {value or 'nothing'}" for replica, value in values.items())
    raise Refused(
        what, node="the balancer", seen=f"replicas disagree: {seen}", todo="settle them to what the files say"
    )


def _rows(answer: str) -> Iterable[dict[str, str]]:
    return csv.DictReader(answer.removeprefix("# ").strip().splitlines())
