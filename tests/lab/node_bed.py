"""Lab nodes in the test's own loop, without a management API, for what MQTT clients see of them."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from random import Random

from lab.node.broker.cluster import Cluster
from lab.node.kept.store import Store
from lab.node.network import allocate, release

SHA256 = {"name": "sha256", "salt_position": "suffix"}
PASSWORD = {"mechanism": "password_based", "backend": "built_in_database", "password_hash_algorithm": SHA256}
SCRAM = {"mechanism": "scram", "backend": "built_in_database", "algorithm": "sha256", "iteration_count": 4096}


@contextmanager
def allocated() -> Iterator[str]:
    """A network for the length of a block."""
    prefix = allocate()
    try:
        yield prefix
    finally:
        release(prefix)


@asynccontextmanager
async def serving(
    nodes: int, store: Store | None = None, *, clock: Callable[[], float] = time.time
) -> AsyncIterator[Cluster]:
    """A cluster without a licence's limit, all of its nodes listening on a network of their own; stopped at the end."""
    with allocated() as network:
        cluster = Cluster("blue", store or Store(), licence_max_sessions=None, clock=clock, random=Random(1))
        try:
            for number in range(1, nodes + 1):
                await cluster.add_node(f"{network}.{number}").start()
            yield cluster
        finally:
            await cluster.stop()
