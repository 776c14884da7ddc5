"""The ``ds`` API of 5.x, by EMQX's documents and the source of ``emqx_mgmt_api_ds`` (docs/emqx/durable-storage.md): nothing of it was recorded.

The rule: a cluster without it has no sites; one whose API does not work yet is not taken for such.
"""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import quote

from pydantic import Field, TypeAdapter

from components.emqx.answers import Answer
from components.emqx.client import Reply, code_and_message, judged
from components.emqx.reading import read, read_model
from components.emqx.storage import Replica, Shard
from components.emqx.v5.calls import PAGE_TIMEOUT_SECONDS, Calls


class _Site(Answer):
    node: str
    up: bool | None = None


class _Replica(Answer):
    site: str
    status: str | None = None
    transition: str | None = None


class _Shard(Answer):
    id: str
    replicas: tuple[_Replica, ...] = ()


class _Storage(Answer):
    shards: tuple[_Shard, ...] = Field(default=())


_NAMES = TypeAdapter(tuple[str, ...])
_GONE = frozenset({404})


class Storage:
    """The durable storage of one cluster."""

    def __init__(self, calls: Calls) -> None:
        """Nothing is asked yet."""
        self._calls = calls

    async def sites(self) -> dict[str, str]:
        """``GET /ds/sites`` and ``GET /ds/sites/SITE``: 404 where durable storage is off, or the build has no such part."""
        reply = await self._calls.call("GET", "/ds/sites", accept=_GONE)
        if reply.status == 404:
            await self._refuse_booting(reply)
            return {}
        found: dict[str, str] = {}
        for site in read(_NAMES, reply, reply.json()):
            one = await self._calls.call("GET", f"/ds/sites/{quote(site, safe='')}", accept=_GONE)
            if one.status != 404:
                found[site] = read_model(_Site, one).node.strip("'")
        return found

    async def storages(self) -> tuple[str, ...]:
        """``GET /ds/storages``."""
        reply = await self._calls.call("GET", "/ds/storages")
        return read(_NAMES, reply, reply.json())

    async def replicas(self, storage: str) -> tuple[str, ...]:
        """``GET /ds/storages/DS/replicas``."""
        reply = await self._calls.call("GET", f"/ds/storages/{quote(storage, safe='')}/replicas")
        return read(_NAMES, reply, reply.json())

    async def shards(self, storage: str) -> tuple[Shard, ...]:
        """``GET /ds/storages/DS``."""
        reply = await self._calls.call("GET", f"/ds/storages/{quote(storage, safe='')}")
        return tuple(
            Shard(
                one.id,
                tuple(
                    Replica(
                        each.site, None if each.status is None else each.status == "up", each.transition is not None
                    )
                    for each in one.replicas
                ),
            )
            for one in read_model(_Storage, reply).shards
        )

    async def place(self, storage: str, sites: Collection[str]) -> None:
        """``PUT /ds/storages/DS/replicas`` with the whole list: 202 once it is accepted."""
        path = f"/ds/storages/{quote(storage, safe='')}/replicas"
        judged(
            await self._calls.call(
                "PUT", path, body=sorted(sites), repeatable=True, timeout_seconds=PAGE_TIMEOUT_SECONDS
            )
        )

    async def _refuse_booting(self, reply: Reply) -> None:
        """A node that boots answers every path with a 404 without a code (docs/emqx/cluster.md#fresh-start): then another path fails too."""
        if not code_and_message(reply.body)[0]:
            await self._calls.call("GET", "/nodes", node=reply.node)
