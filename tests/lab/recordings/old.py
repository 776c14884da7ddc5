"""Replays the recordings of 4.2, 4.3 and 4.4 (V_*) against a lab cluster of that version: requests, and what MQTT clients saw between them.

The rule: each entry of a recording is compared, or it stands in `LEFT_OUT` with its reason; devices are made from the recorded list of clients.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import httpx

from components.mqtt import Connack, Connect
from lab.node import network
from lab.node.api.host import Settings, SystemClock
from lab.node.kept.old import OldTables
from lab.node.membership import Membership
from lab.node.process import Managed
from tests.lab.node_mqtt_client import RawClient
from tests.lab.recordings.compare import differences
from tests.lab.recordings.replay import HERE, Tally

OF_NOW = frozenset({"until", "uptime", "datetime", "password", "file", "current_conns", "date"})
"""Keys whose values are compared by type only, besides those of `compare.FREE`."""
MADE_UP = frozenset({"memory_used", "memory_total"})
"""Not 4.2's own in the recordings (docs/emqx/v4.md#how-it-was-recorded)."""
SUBJECTS = ("auth", "overview", "clients", "retained", "auth_mnesia", "data")
ON_ITS_OWN = "data"
"""From 4.3 on recorded on a cluster of its own."""
PAGED = re.compile(r"_limit=\d+")
VERSIONS = ("4.2.14", "4.3.22", "4.4.19")
Entry = dict[str, Any]

LEFT_OUT: tuple[tuple[str, str, str], ...] = (
    ("cli", r"", "the lab has no command line of EMQX; what changed something is done by the replay itself"),
    (
        "path",
        r"/api/v4$|/actions$|/resource_types$",
        "a list that no step of an upgrade reads; the path does not exist in the lab",
    ),
    (
        "42",
        r"/listeners$",
        "the recorded 4.2 had no WebSocket listener and other HTTP ports (Erlang 25, docs/emqx/v4.md#cluster)",
    ),
    ("name", r"^list before delete", "lists the files that the recording's script had put there by hand"),
    ("name", r"^emqx_auth_mnesia.conf of this node|^headers and shape", "what the recording's script noted, no answer"),
)
"""(where to look, pattern, reason)."""


def why_left_out(entry: Entry) -> str | None:
    """The reason why an entry is not compared."""
    seen = {"cli": "" if "cli" in entry else None, "name": entry["name"]}
    seen["path"] = entry["request"]["path"] if "request" in entry else None
    seen["42"] = seen["path"] if ".42." in entry.get("request", {}).get("address", "") else None
    for where, pattern, reason in LEFT_OUT:
        if seen[where] is not None and re.search(pattern, seen[where] or ""):
            return reason
    return None


class Ahead(SystemClock):
    """The machine's time and some seconds more; or a time that stands, but for those."""

    ahead = 0.0
    stands: float | None = None

    def now(self) -> float:
        """Unix seconds."""
        return (super().now() if self.stands is None else self.stands) + self.ahead


@dataclass
class OldWorld:
    """A lab cluster that stands for the recorded one; ``devices`` are connected, by client id.

    ``hosts`` are the last parts of the recorded addresses of its nodes.
    """

    directory: Path
    version: str
    hosts: tuple[int, ...] = (1, 2)

    async def __aenter__(self) -> Self:
        number, prefix = self.version.split(".")[1], network.allocate()
        settings = Settings(self.directory, nodes=len(self.hosts), edition="ce", version=self.version, network=prefix)
        self.managed, self.clock = Managed(settings, {}, prefix), Ahead()
        self.managed.clock = self.clock
        self.membership = Membership(self.managed, {})
        await self.managed.start()
        self.names: dict[str, str] = {}
        for ours, host in enumerate(self.hosts, 1):
            self.names[f"emqx{number}{host}@127.0.4{number}.{host}"] = f"emqx@{prefix}.{ours}"
            self.names[f"127.0.4{number}.{host}"] = f"{prefix}.{ours}"
        self.client = httpx.AsyncClient(timeout=30)
        self.devices: dict[str, RawClient] = {}
        return self

    async def __aexit__(self, *_: object) -> None:
        for device in self.devices.values():
            await device.drop()
        await self.client.aclose()
        await self.membership.stop()
        network.release(self.managed.network)

    async def restart(self) -> None:
        """The only node stops in order and comes back, as a cluster of one."""
        name = f"emqx@{self.host()}"
        await self.membership.stop_node(name)
        await self.membership.start(name)
        self.managed = self.membership.clusters[0]
        self.managed.clock = self.clock

    def forget(self) -> None:
        """The tables of a new cluster: what follows was recorded on one."""
        self.managed.store.old = OldTables()
        self.managed.store.banned.clear()
        self.managed.colony.read()

    def here(self, text: str) -> str:
        """Recorded names as the lab's."""
        return _replaced(text, self.names)

    def there(self, text: str) -> str:
        """The lab's names as the recorded ones."""
        return _replaced(text, {ours: theirs for theirs, ours in self.names.items()})

    async def send(self, entry: Entry) -> httpx.Response:
        """One recorded request, with our names in it."""
        asked = entry["request"]
        headers, content = dict(asked.get("headers", {})), None
        if "body" in asked:
            content = self.here(asked["body"] if isinstance(asked["body"], str) else json.dumps(asked["body"]))
        user, _, secret = self.here(asked.get("auth") or "").partition(":")
        return await self.client.request(
            asked["method"],
            f"http://{self.here(asked['address'])}{self.here(asked['path'])}",
            headers=headers,
            content=content,
            auth=(user, secret) if user else None,
        )

    def host(self, number: int = 1) -> str:
        """The address of a node."""
        return f"{self.managed.network}.{number}"

    async def device(self, connect: Connect, number: int = 1) -> tuple[RawClient, Connack]:
        """Connect; the answer of the node."""
        client = await RawClient((self.host(number), 1883), connect).open()
        return client, await client.next(Connack)


def _replaced(text: str, names: dict[str, str]) -> str:
    for old in sorted(names, key=len, reverse=True):
        text = text.replace(old, names[old])
    return text


def compare(world: OldWorld, entry: Entry, response: httpx.Response) -> list[str]:
    """Status, media type, challenge and body; of a list of clients only how many, and the shape of the first."""
    recorded = entry["response"]
    out = (
        [] if response.status_code == recorded["status"] else [f"status {response.status_code}: {response.text[:200]}"]
    )
    out += [
        f"{name} {response.headers.get(name)!r} instead of {recorded.get(name)!r}"
        for name in ("content-type", "www-authenticate")
        if response.headers.get(name) != recorded.get(name)
    ]
    theirs = recorded["body"]
    if response.headers.get("content-type") != "application/json" or out:
        ours = world.there(response.text)
        return out if out or ours == theirs else [f"{ours[:200]!r} instead of {theirs!r}"]
    _learn(world, theirs, response.json())
    ours = json.loads(world.there(response.text))
    if "rows" in recorded and recorded["rows"] != len(ours["data"]):
        return [f"{len(ours['data'])} rows instead of {recorded['rows']}"]
    if "rows" in recorded:
        theirs, ours = (one | {"data": one["data"][:1]} for one in (theirs, ours))
    if "rows" in recorded or (PAGED.search(entry["request"]["path"]) and ours.get("data")):
        theirs, ours = _shape(theirs), _shape(ours)
        return differences(theirs, ours)
    counters = re.search(r"/(stats|metrics)$", entry["request"]["path"]) is not None
    return differences(as_compared(theirs, numbers=counters), as_compared(ours, numbers=counters))


def as_compared(body: Any, *, numbers: bool = False) -> Any:
    """A body in one order, with the name of its type for what is of the moment; ``numbers``: all of them are."""
    return _sorted(_typed(body, numbers=numbers))


def _learn(world: OldWorld, recorded: Any, ours: Any) -> None:
    """Names of files, resources, rules and actions that the server made."""
    if isinstance(recorded, list) and isinstance(ours, list):
        for one, other in zip(recorded, ours, strict=False):
            _learn(world, one, other)
    if not isinstance(recorded, dict) or not isinstance(ours, dict):
        return
    for name in ("filename", "id"):
        if isinstance(recorded.get(name), str) and isinstance(ours.get(name), str):
            world.names[recorded[name]] = ours[name]
    for name in ("data", "actions"):
        if name == "actions" or not isinstance(recorded.get(name), list):
            _learn(world, recorded.get(name), ours.get(name))


def _shape(body: Any) -> Any:
    """A page: which row comes first is Erlang's table's business."""
    names = (name for name in body["data"][0] if name != "disconnected_at")
    return body | {"data": {name: type(body["data"][0][name]).__name__ for name in names}, "rows": len(body["data"])}


def _typed(value: Any, *, numbers: bool) -> Any:
    """A body in which what may differ is the name of its type: the values of `OF_NOW`, and numbers where they are counters."""
    if isinstance(value, dict):
        return {
            name: type(one).__name__ if name in OF_NOW else _typed(one, numbers=numbers)
            for name, one in value.items()
            if name not in MADE_UP
        }
    if isinstance(value, list):
        return [_typed(one, numbers=numbers) for one in value]
    return 0 if numbers and isinstance(value, int | float) else value


def _sorted(value: Any) -> Any:
    """Rows in one order, where Erlang lists them as they hash."""
    if isinstance(value, dict):
        return {name: _sorted(one) for name, one in value.items()}
    if not isinstance(value, list):
        return value
    rows = [_sorted(one) for one in value]
    if rows and all(isinstance(row, dict) and "access" in row for row in rows):  # their order is their milliseconds'
        return sorted(rows, key=lambda row: json.dumps(row | {"created_at": 0}, sort_keys=True))
    if rows and all(isinstance(row, dict) and {"login", "allow"} <= row.keys() for row in rows):
        return sorted(rows, key=lambda row: str(row["login"]))  # of one login they are in their order
    for name in ("who", "clientid", "topic", "node", "username", "app_id", "login", "id"):
        if rows and all(isinstance(row, dict) and name in row for row in rows) and "allow" not in rows[0]:
            return sorted(rows, key=lambda row: json.dumps([row[name], row.get("filename"), row.get("node")]))
    return rows


async def play(
    world: OldWorld,
    subject: str,
    before: Callable[[OldWorld, Entry], Awaitable[None]],
    check: Callable[[OldWorld, Entry], Awaitable[list[str] | None]],
) -> Tally:
    """Replay one recording: ``before`` is called before each entry, ``check`` compares what is no request (None: nobody knows how)."""
    name = f"V_{world.version}_{subject}"
    tally = Tally(name)
    if subject == ON_ITS_OWN and not world.managed.colony.line.one_kind:
        world.forget()
    for number, entry in enumerate(json.loads((HERE / f"{name}.json").read_text())):
        await before(world, entry)
        reason = why_left_out(entry)
        found: list[str] | None = None
        if reason is None and "request" in entry:
            found = compare(world, entry, await world.send(entry))
        elif reason is None:
            found = await check(world, entry)
            reason = "what the recording's own MQTT clients noted" if found is None else None
        if reason is not None:
            tally.excluded[reason] = tally.excluded.get(reason, 0) + 1
            continue
        tally.compared += 1
        where = entry["request"]["path"] if "request" in entry else ""
        tally.differences += [f"{name} #{number} [{entry['name']}] {where}: {one}" for one in found or ()]
    return tally
