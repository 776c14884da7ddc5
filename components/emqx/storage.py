"""What is asked of a cluster's durable storage, where durable sessions keep their messages: the part of the seam for what only some clusters have.

The rule: it stands on EMQX's documents and source alone (docs/emqx/durable-storage.md); no recording has any.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple, Protocol


class Replica(NamedTuple):
    """A copy of a shard at a site: whether that is up (None: not told), and whether it is just coming or going."""

    site: str
    up: bool | None
    moves: bool


class Shard(NamedTuple):
    """A part of a storage, and where it is kept."""

    id: str
    replicas: tuple[Replica, ...]


class DurableStorage(Protocol):
    """The replicas of durable storage; a site is the identity of a node's data directory, not of the node."""

    async def sites(self) -> Mapping[str, str]:
        """The node of each site; empty where durable storage is off, or not replicated (open source, a build without it)."""
        ...

    async def storages(self) -> tuple[str, ...]:
        """The names of the storages."""
        ...

    async def replicas(self, storage: str) -> tuple[str, ...]:
        """The sites that are to keep replicas of it."""
        ...

    async def shards(self, storage: str) -> tuple[Shard, ...]:
        """Where its shards really are."""
        ...

    async def place(self, storage: str, sites: Collection[str]) -> None:
        """Ask for these sites to keep it, and no others; that it is begun is all that the answer says."""
        ...
