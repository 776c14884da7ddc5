"""Durable storage through the API, where durable sessions are on: sites, storages, and replicas that move from node to node.

By EMQX's documents and source alone (docs/emqx/durable-storage.md): no recording has it, so nothing here is held against one. What the storage keeps is not played.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

from lab.node.api.call import Answer, Call, Endpoint
from lab.node.api.effective import running
from lab.node.api.errors import bad_request, not_found
from lab.node.api.host import Host

STORAGE, SHARDS, FACTOR = "messages", 4, 3
MOVE_SECONDS = 0.1
"""A shard with nothing in it is copied in no time; the shards one after the other."""


@dataclass
class Durable:
    """Where the shards are: ``kept`` by shard, until ``moved`` (by the cluster's clock), when it is where it is ``wanted``."""

    wanted: list[str]
    kept: list[list[str]]
    moved: list[float] = field(default_factory=lambda: [0.0] * SHARDS)


def site_of(managed: Host, node: str) -> str:
    """Of its data directory, 16 hexadecimal digits."""
    return hashlib.sha256(str(managed.place(node)).encode()).hexdigest()[:16].upper()


def _sites(managed: Host) -> dict[str, str]:
    return {site_of(managed, node): node for node in managed.cluster.nodes if node not in managed.alone}


def _state(call: Call) -> Durable:
    """What there is; made of the nodes that there are when somebody asks first."""
    managed = call.managed
    if not running(managed, "durable_sessions").get("enable"):
        raise not_found("Durable storage is disabled")
    if STORAGE not in managed.durable:
        first = sorted(_sites(managed))[:FACTOR]
        managed.durable[STORAGE] = Durable(first, [list(first) for _ in range(SHARDS)])
    state: Durable = managed.durable[STORAGE]
    sites, up = _sites(managed), {node.name for node in managed.cluster.running_nodes()}
    for number, kept in enumerate(state.kept):
        alive = sum(sites.get(site) in up for site in kept)
        if kept != state.wanted and call.now() >= state.moved[number] and 2 * alive > len(kept):
            state.kept[number] = list(state.wanted)
    return state


def _storage(call: Call) -> Durable:
    state = _state(call)
    if call.path["ds"] != STORAGE:
        raise not_found(f"DB '{call.path['ds']}' does not exist")
    return state


def _replicas(call: Call, state: Durable, kept: list[str]) -> list[dict[str, Any]]:
    sites, up = _sites(call.managed), {node.name for node in call.managed.cluster.running_nodes()}
    rows: list[dict[str, Any]] = []
    for site in kept:
        status = "lost" if site not in sites else "up" if sites[site] in up else "down"
        rows.append({"site": site, "status": status, **({} if site in state.wanted else {"transition": "leaving"})})
    return rows + [{"site": site, "transition": "joining"} for site in state.wanted if site not in kept]


async def sites(call: Call) -> Answer:
    """GET /ds/sites."""
    _state(call)
    return Answer(sorted(_sites(call.managed)))


async def site(call: Call) -> Answer:
    """GET /ds/sites/:site."""
    state, wanted = _state(call), call.path["site"]
    node = _sites(call.managed).get(wanted)
    if node is None:
        raise not_found(f"Site not found: {wanted}")
    up = node in {one.name for one in call.managed.cluster.running_nodes()}
    shards = [
        {"storage": STORAGE, "id": str(number), "status": "up" if up else "down"}
        for number, kept in enumerate(state.kept)
        if wanted in kept
    ]
    return Answer({"node": node, "up": up, "shards": shards})


async def storages(call: Call) -> Answer:
    """GET /ds/storages."""
    _state(call)
    return Answer([STORAGE])


async def storage(call: Call) -> Answer:
    """GET /ds/storages/:ds."""
    state = _storage(call)
    shards = [{"id": str(number), "replicas": _replicas(call, state, kept)} for number, kept in enumerate(state.kept)]
    return Answer({"name": STORAGE, "shards": shards})


async def replicas(call: Call) -> Answer:
    """GET /ds/storages/:ds/replicas."""
    return Answer(_storage(call).wanted)


async def place(call: Call) -> Answer:
    """PUT /ds/storages/:ds/replicas: accepted, and carried out one shard after the other."""
    state, wanted = _storage(call), await call.body()
    if not isinstance(wanted, list) or not wanted:
        raise bad_request("Bad type")
    if strange := sorted(set(map(str, wanted)) - _sites(call.managed).keys()):
        raise bad_request(f"Unknown sites: {', '.join(strange)}")
    state.wanted = sorted(map(str, wanted))
    state.moved = [call.now() + MOVE_SECONDS * (number + 1) for number in range(SHARDS)]
    return Answer("OK", 202)


ENDPOINTS = (
    Endpoint("GET", "/ds/sites", sites),
    Endpoint("GET", "/ds/sites/{site}", site),
    Endpoint("GET", "/ds/storages", storages),
    Endpoint("GET", "/ds/storages/{ds}", storage),
    Endpoint("GET", "/ds/storages/{ds}/replicas", replicas),
    Endpoint("PUT", "/ds/storages/{ds}/replicas", place),
)
