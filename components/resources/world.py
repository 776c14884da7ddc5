"""What the links of a chain act on: clusters, balancer and journal, opened with credentials that only the provider's memory has.

The rule: whatever is opened here is closed here, and what fails in it is written into the journal before anybody sees it.
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from components.cutover.words import Colour
from components.emqx.base import Cluster, Scope
from components.emqx.models import BalancerHandle, ClusterHandle, Credentials, missing_credentials
from components.emqx.probes import answers
from components.emqx.registry import cluster_of, patience_with
from components.ledger.registry import ledger_of
from components.report.planned import planned_steps
from components.resources import engine, progress
from components.routers.registry import router_of
from components.run.heartbeat import heartbeat
from components.run.journal import Journal
from components.run.keeping import Places, fetch, keep, keep_now
from components.run.latency import connect_milliseconds
from components.run.run import Run, SystemClock
from components.run.whereabouts import telling_where
from components.value import Value

PLAN = "plan.json"
"""Where the program writes the plan of an update, in its work directory."""


class WorldInputs(Value):
    """A link's name, where the clusters and the balancer are, whose clients a colour has, where the journal is written, and where it is kept beyond this machine."""

    name: str
    clusters: Mapping[Colour, ClusterHandle]
    balancer: BalancerHandle
    work_directory: str
    scope: Scope = "cluster"
    places: Places = Places()


async def journaled(run: Run, name: str, work: Callable[[Run], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
    """A link's work between its two lines in the journal; it never looks hung, and its errors say where the clients are."""
    began = run.clock.now()
    run.record("link", name=name, phase="begin")
    async with heartbeat(run, name) as heard, telling_where(run):
        facts = await work(heard)
    run.record("link", name=name, phase="end", seconds=round(run.clock.now() - began, 3))
    return facts


def journal(inputs: WorldInputs, token: str) -> Journal:
    """The journal of this stack's cutovers."""
    return Journal(Path(inputs.work_directory) / "journal.jsonl", token, time.time)


def tell_plan(run: Run, work_directory: str) -> None:
    """The plan that this update began with into its journal, so that a report can hold the two against each other; nothing without one."""
    with suppress(OSError, ValueError, AttributeError):
        told = json.loads((Path(work_directory) / PLAN).read_text(encoding="utf-8"))
        run.record("plan", steps=planned_steps(told.get("outline") or {}))


def write_failure(inputs: WorldInputs, token: str, failure: BaseException, details: str) -> None:
    """The failure of a link in the journal; ``details`` is its traceback."""
    journal(inputs, token).record(
        "error", link=inputs.name, type=type(failure).__name__, message=str(failure), details=details
    )
    keep_now(inputs.places, Path(inputs.work_directory))  # a failure of it was told already, when the link ended


@asynccontextmanager
async def opened(inputs: WorldInputs, credentials: Mapping[str, Credentials], token: str) -> AsyncIterator[Run]:
    """A run on these clusters and this balancer; its connections are closed at the end.

    Raises:
        BadInput: a colour has no credentials.

    """
    async with AsyncExitStack() as stack:
        clusters: dict[Colour, Cluster] = {}
        for colour, handle in inputs.clusters.items():
            mine, patience = credentials_of(colour, credentials), patience_with(handle)
            api = cluster_of(handle, mine, scope=inputs.scope, patience_seconds=patience)
            clusters[colour] = await stack.enter_async_context(api)
        work = Path(inputs.work_directory)
        await fetch(inputs.places, work, progress.warning)
        stack.push_async_callback(keep, inputs.places, work, progress.warning)
        yield Run(
            clusters=clusters,
            router=router_of(inputs.balancer),
            ledger=ledger_of(inputs.balancer),
            token=token,
            record=journal(inputs, token).record,
            progress=progress.progress,
            warn=progress.warning,
            interrupted=engine.interrupted,
            clock=SystemClock(),
            connect_milliseconds=connect_milliseconds,
            answers=answers,
            scope=inputs.scope,
        )


def credentials_of(colour: Colour, credentials: Mapping[str, Credentials]) -> Credentials:
    """The credentials of a colour, of which only the provider's configuration knows."""
    if colour not in credentials:
        raise missing_credentials(colour)
    return credentials[colour]
