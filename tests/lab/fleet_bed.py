"""A fleet on a test's own event loop, whose devices are quick unless the test says which kinds they are."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from lab.fleet.fleet import Fleet
from lab.fleet.kind import Kind
from lab.fleet.kinds import KINDS, PLAIN
from lab.fleet.mixture import only
from lab.fleet.settings import FleetSettings
from lab.fleet.tally import Tally, summary
from tests.lab.fleet_responder import Responder

QUICK = replace(PLAIN, first=(0.0, 0.02), then=(0.05, 0.1, 0.2, 0.4))
"""So that a test need not wait for its devices."""


def hasty(name: str) -> Kind:
    """The kind of this name, which does what it does sooner."""
    return replace(KINDS[name], first=QUICK.first, then=QUICK.then, refused_then=())


@asynccontextmanager
async def fleet(responder: Responder, clients: int = 8, log: int | None = None, **values: Any) -> AsyncIterator[Fleet]:
    """Connected devices; ``values`` are fields of the settings."""
    settings = FleetSettings(
        (responder.address,), clients, **{"publish_interval_seconds": 0.1, "kinds": only(QUICK), **values}
    )
    running = Fleet(settings, log=log, chance=random.Random(7))
    await running.start(60)
    try:
        yield running
    finally:
        await running.stop()


def figures(tally: Tally) -> dict[str, Any]:
    """The summary of a fleet that was ready from the beginning."""
    return summary(tally, ready_at=0.0)
