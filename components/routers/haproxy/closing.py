"""Finding connections in all processes of a balancer, and ending them (docs/emqx/moving.md#close-at-the-balancer).

The rule: of what a process shows of all its connections nothing is kept but what was looked for. Between the finding and the ending another connection may have taken the place, so each is looked at once more just before it ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from components.cutover.words import Colour
from components.routers.base import Mark, SeenAs
from components.routers.haproxy import sessions
from components.routers.haproxy.names import colour_of
from components.routers.haproxy.workers import Reads, Worker

AT_ONCE = 200
"""Commands in one line; 500 of them fit into HAProxy's default buffer, and these took it 2 ms."""


async def find(
    reads: Reads, workers: Sequence[Worker], backends: Collection[str], addresses: Collection[str], seen_as: SeenAs
) -> dict[str, str]:
    """Where the connections to these backends with these addresses are, by address."""
    wanted = {one: one for one in addresses}
    command, only = ("show sess", _here(wanted)) if seen_as == "client" else ("show sess all", sessions.DETAIL)

    def here(shown: Iterable[str]) -> list[tuple[str, str]]:
        listed = _listed(shown, seen_as)
        return [
            (wanted[address], place) for address, backend, place in listed if address in wanted and backend in backends
        ]

    found, twice = dict[str, str](), set[str]()
    for worker, some in zip(
        workers, await asyncio.gather(*(reads(one, [command], here, only=only) for one in workers)), strict=True
    ):
        for address, place in some:
            twice |= {address} & found.keys()
            found[address] = f"{key(worker)} {place}"
    for address in twice:
        del found[address]
    return found


def _here(addresses: Collection[str]) -> str:
    """The lines of connections that may be these: of all that a process has their ports are rare enough."""
    ports = "|".join(sorted({one.rpartition(":")[2] for one in addresses}))
    return sessions.LINE.replace(r":(\d+)", f":({ports})")


def _listed(shown: Iterable[str], seen_as: SeenAs) -> Iterator[tuple[str, str, str]]:
    if seen_as == "client":
        yield from ((one.client, one.backend, one.place) for one in sessions.lines(shown))
    else:
        yield from ((one.own, one.backend, one.place) for one in sessions.details(shown))


async def close(
    reads: Reads,
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
            shown = await reads(worker, [f"show sess {place}" for place in batch], _details, only=sessions.DETAIL)
            same = [one for one in shown if _is(one, colour, places.get(one.place), seen_as, before)]
            if same:
                await reads(worker, [f"shutdown session {one.place}" for one in same], "".join)
            ended |= {places[one.place] for one in same}
        return ended

    return frozenset[str]().union(*await asyncio.gather(*map(end, workers)))


def _details(shown: Iterable[str]) -> list[sessions.Details]:
    return list(sessions.details(shown))


def key(worker: Worker) -> str:
    """Under which a mark has its count."""
    return f"{worker.admin} {worker.pid}"


def _is(one: sessions.Details, colour: Colour, address: str | None, seen_as: SeenAs, before: int | None) -> bool:
    """Whether it is the connection that was found, and no younger one."""
    shown = one.client if seen_as == "client" else one.own
    return colour_of(one.backend) == colour and shown == address and (before is None or one.number < before)


def _batches(places: Sequence[str]) -> Iterator[Sequence[str]]:
    return (places[first : first + AT_ONCE] for first in range(0, len(places), AT_ONCE))
