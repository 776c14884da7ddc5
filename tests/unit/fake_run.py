"""A run in a world in memory: its journal, lines and clock are the world's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from components.cutover.words import Colour
from components.emqx.models import ClusterHandle, Node
from components.run.run import Clock, Run


class Place(Protocol):
    """What a world has for a run."""

    router: Any
    ledger: Any
    journal: list[dict[str, Any]]
    lines: list[str]

    @property
    def clock(self) -> Clock: ...


def run_of(world: Place, clusters: Mapping[Colour, Any], token: str, **more: Any) -> Run:
    def record(event: str, **facts: Any) -> None:
        world.journal.append({"t": world.clock.now(), "run": token, "event": event, **facts})

    return Run(
        clusters=clusters,
        router=world.router,
        ledger=world.ledger,
        token=token,
        record=record,
        progress=world.lines.append,
        warn=world.lines.append,
        interrupted=lambda: None,
        clock=world.clock,
        connect_milliseconds=one_millisecond,
        answers=as_declared,
        **more,
    )


async def as_declared(_node: Node, _proxied: bool) -> bool:
    return True


async def one_millisecond(_: ClusterHandle) -> float:
    return 1.0
