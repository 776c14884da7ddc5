"""Finding connections in all processes of a balancer, and ending them (docs/emqx/moving.md#close-at-the-balancer).

The rule: between the finding and the ending another connection may have taken the place, so each is looked at once more just before it ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence

from components.cutover.words import Colour
from components.routers.base import Mark, SeenAs
from components.routers.haproxy import sessions
from components.routers.haproxy.names import colour_of
from components.routers.haproxy.workers import Worker

AT_ONCE = 200
"""Commands in one line; 500 of them fit into HAProxy's default buffer, and these took it 2 ms."""

Asks = Callable[[Worker, Sequence[str]], Awaitable[str]]


async def find(
    asks: Asks, workers: Sequence[Worker], colour: Colour, addresses: Collection[str], seen_as: SeenAs
) -> dict[str, str]:
    """Where the connections with these addresses are, by address."""
    wanted, found, twice = frozenset(addresses), dict[str, str](), set[str]()
    command = "show sess" if seen_as == "client" else "show sess all"
    for worker, shown in zip(workers, await asyncio.gather(*(asks(one, [command]) for one in workers)), strict=True):
        for address, backend, place in _listed(shown, seen_as):
            if colour_of(backend) == colour and address in wanted:
                twice |= {address} & found.keys()
                found[address] = f"{worker.admin} {worker.pid} {place}"
    return {address: place for address, place in found.items() if address not in twice}


def _listed(shown: str, seen_as: SeenAs) -> Iterator[tuple[str, str, str]]:
    if seen_as == "client":
        yield from ((one.client, one.backend, one.place) for one in sessions.lines(shown))
    else:
        yield from ((one.own, one.backend, one.place) for one in sessions.details(shown))


async def close(
    asks: Asks,
    workers: Sequence[Worker],
    colour: Colour,
    found: Mapping[str, str],
    seen_as: SeenAs,
    mark: Mark | None,
) -> frozenset[str]:
    """End them; the addresses of those that were still there."""
    by_worker: dict[tuple[str, str], dict[str, str]] = {}
    for address, where in found.items():
        admin, pid, place = where.rsplit(" ", 2)
        by_worker.setdefault((admin, pid), {})[place] = address

    async def end(worker: Worker) -> set[str]:
        places = by_worker.get((worker.admin, worker.pid), {})
        before = None if mark is None else mark.get(key(worker), 0)
        ended: set[str] = set()
        for batch in _batches(sorted(places)):
            shown = await asks(worker, [f"show sess {place}" for place in batch])
            same = [one for one in sessions.details(shown) if _is(one, colour, places.get(one.place), seen_as, before)]
            if same:
                await asks(worker, [f"shutdown session {one.place}" for one in same])
            ended |= {places[one.place] for one in same}
        return ended

    return frozenset[str]().union(*await asyncio.gather(*map(end, workers)))


def key(worker: Worker) -> str:
    """Under which a mark has its count."""
    return f"{worker.admin} {worker.pid}"


def _is(one: sessions.Details, colour: Colour, address: str | None, seen_as: SeenAs, before: int | None) -> bool:
    """Whether it is the connection that was found, and no younger one."""
    shown = one.client if seen_as == "client" else one.own
    return colour_of(one.backend) == colour and shown == address and (before is None or one.number < before)


def _batches(places: Sequence[str]) -> Iterator[Sequence[str]]:
    return (places[first : first + AT_ONCE] for first in range(0, len(places), AT_ONCE))
