"""Lab clusters of several life lines in the test's own loop: nodes that join, leave and come back, with the probes of the recordings."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx

from components.system.trusted import authorities
from lab.node import network
from lab.node.api.host import Settings
from lab.node.boot import Joining
from lab.node.membership import Membership
from lab.node.process import Lodging, Managed
from tests.lab.recordings.bed import AUTH, cluster
from tests.lab.recordings.device import Device

USERS = "/authentication/password_based%3Abuilt_in_database/users"
AUTHENTICATOR = {
    "mechanism": "password_based",
    "backend": "built_in_database",
    "user_id_type": "username",
    "password_hash_algorithm": {"name": "sha256", "salt_position": "suffix"},
}
RIGHT, WRONG, ANONYMOUS = ("u1", "pw-u1"), ("u1", "no"), (None, None)


@dataclass
class Lines:
    """Blue's nodes, and whoever has joined since."""

    blue: Managed
    membership: Membership
    directory: Path

    @property
    def first(self) -> str:
        """Blue's first node."""
        return f"emqx@{self.blue.network}.1"

    async def join(self, name: str = "green", prefix: str | None = None, **settings: Any) -> list[str]:
        """One more life line; returns the names of its nodes."""
        prefix = prefix or network.allocate()
        asked = Settings(directory=self.directory / name, name=name, network=prefix, **settings)
        await self.membership.lodge(Lodging(prefix, asked), {})
        return list(self.membership.of(prefix))

    def api(self, name: str) -> httpx.AsyncClient:
        """A client of one node's management API."""
        base = f"http://{name.partition('@')[2]}:18083/api/v5"
        return httpx.AsyncClient(base_url=base, auth=AUTH, timeout=20, trust_env=False, verify=authorities())

    async def get(self, name: str, path: str) -> Any:
        """What a node answers; None while nobody answers there."""
        with contextlib.suppress(httpx.HTTPError):
            async with self.api(name) as client:
                answer = await client.get(path)
                return answer.json() if answer.status_code == 200 else (answer.status_code, answer.text)
        return None

    async def call(self, name: str, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Status and body of an answer."""
        async with self.api(name) as client:
            answer = await client.request(method, path, json=body)
            return answer.status_code, answer.json() if answer.content else ""

    async def nodes(self, name: str) -> dict[str, str]:
        """Name -> status, as a node says."""
        return {row["node"]: row["node_status"] for row in await self.get(name, "/nodes")}

    async def shows(self, name: str, wanted: dict[str, str]) -> None:
        """Wait until a node says so of all nodes: a change is seen there a moment later than in /cluster."""
        async with asyncio.timeout(60):
            while await self.nodes(name) != wanted:  # noqa: ASYNC110  it is another one's clock
                await asyncio.sleep(0.05)

    async def fill(self) -> None:
        """An authenticator with one user, a ban, a rule, a retained message."""
        for method, path, body in (
            ("POST", "/authentication", AUTHENTICATOR),
            ("POST", USERS, {"user_id": RIGHT[0], "password": RIGHT[1]}),
            ("POST", "/banned", {"as": "clientid", "who": "bad"}),
            ("PUT", "/mqtt/auto_subscribe", [{"topic": "mine"}]),
            ("POST", "/publish", {"topic": "keep", "payload": "x", "retain": True}),
        ):
            status, said = await self.call(self.first, method, path, body)
            assert status < 300, said

    async def tables(self, name: str) -> tuple[Any, ...]:
        """Users, bans, automatic subscriptions and retained messages that a node shows."""
        users, bans = await self.get(name, USERS), await self.get(name, "/banned")
        retained = await self.get(name, "/mqtt/retainer/message/keep")
        count = users["meta"]["count"] if isinstance(users, dict) else users[0]
        return (
            count,
            len(bans["data"]),
            len(await self.get(name, "/mqtt/auto_subscribe")),
            int(isinstance(retained, dict)),
        )


def licensed(bed: Lines) -> int | None:
    """The sessions that blue's cluster allows now."""
    bed.blue.cluster.tick()
    return bed.blue.cluster.licence.max_sessions


class Steps:
    """Stands for the time that a join takes: it passes when the test says so, one wait after the other."""

    def __init__(self, lines: Lines, **seconds: float) -> None:
        """From now on; ``seconds`` are fields of `Joining`."""
        lines.membership.sleep = self._wait
        lines.membership.joining = replace(Joining(), **seconds)
        self._joining, self._waiting = lines.membership.joining, asyncio.Queue[float]()
        self._go = asyncio.Semaphore(0)

    async def _wait(self, seconds: float) -> None:
        self._waiting.put_nowait(seconds)
        await self._go.acquire()

    async def until(self, phase: str) -> None:
        """Let time pass until the node has come to this wait; any other one is a failure."""
        async with asyncio.timeout(60):
            seconds = await self._waiting.get()
        assert seconds == getattr(self._joining, phase), (seconds, self._joining)

    def go(self) -> None:
        """The wait is over."""
        self._go.release()


FULL, CONFIGURED, NOTHING = (1, 1, 1, 1), (0, 0, 1, 0), (404, 0, 0, 0)
"""What `Lines.tables` is of a filled cluster, of one with the configuration alone, and of an empty one."""


@asynccontextmanager
async def lines(
    directory: Path,
    *,
    nodes: int = 2,
    version: str = "5.8.8",
    edition: str = "ce",
    **settings: Any,
) -> AsyncIterator[Lines]:
    """Blue, filled; joins take no time."""
    async with cluster(directory / "blue", nodes=nodes, version=version, edition=edition, **settings) as managed:
        environment = {"EMQX_API_KEY__BOOTSTRAP_FILE": managed.bootstrap_file}
        membership = Membership(managed, environment)
        found = Lines(managed, membership, directory)
        await found.fill()
        try:
            yield found
        finally:
            await membership.stop()
            for prefix in membership.lodgings:
                if prefix != managed.network:
                    network.release(prefix)


async def probe(name: str, who: tuple[str | None, str | None], client_id: str = "probe") -> str:
    """The reason code of a CONNACK as two digits; ``closed`` where nobody answers."""
    with contextlib.suppress(OSError, TimeoutError):
        username, password = who
        device = await Device.connect(name.partition("@")[2], client_id, level=5, username=username, password=password)
        code = device.connack[6:8] if device.connack.startswith("20") else "closed"
        await device.close()
        return code
    return "closed"


async def probes(name: str) -> tuple[str, str, str]:
    """With the right password, a wrong one, and none."""
    return await probe(name, RIGHT), await probe(name, WRONG), await probe(name, ANONYMOUS)
