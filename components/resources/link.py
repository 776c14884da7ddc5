"""What all links of the cutover's chain have in common; a link is one dynamic resource, so that state says how far it got.

The rule: a link acts only under the lease of the run that it was handed, and its `delete` does nothing.
"""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import pulumi
from pulumi.dynamic import Resource

from components.cutover.words import Colour, Direction
from components.emqx.errors import BadInput
from components.emqx.models import BalancerHandle, ClusterHandle, Credentials
from components.emqx.v5 import ClusterApi
from components.operations.heartbeat import heartbeat
from components.operations.journal import Journal
from components.operations.latency import connect_milliseconds
from components.operations.run import Run, SystemClock
from components.operations.whereabouts import telling_where
from components.report.files import write_report
from components.report.numbers import NoCutoverError
from components.resources import engine
from components.resources.provider import State, TypedProvider
from components.router.haproxy import HaproxyRouter
from components.value import Value


class WorldInputs(Value):
    """A link's name, where the clusters and the balancer are, and where the journal is written."""

    name: str
    clusters: Mapping[Colour, ClusterHandle]
    balancer: BalancerHandle
    work_directory: str


class LinkInputs(WorldInputs):
    """A link: the run it belongs to (token and direction come from the first one), and the token of the link before it."""

    to: Colour
    run: str
    direction: Direction
    after: str


Inputs = TypeVar("Inputs", bound=LinkInputs)


class LinkProvider(TypedProvider[Inputs]):
    """A provider whose act runs once per run: ``to``, the run's token and ``after`` trigger it, nothing else does."""

    TRIGGERS: ClassVar[frozenset[str]] = frozenset({"to", "run", "after"})

    def identity(self, inputs: Inputs) -> str:
        """The link's neutral name."""
        return inputs.name

    def act(self, inputs: Inputs, olds: State | None) -> State:  # noqa: ARG002  -- a link looks at the world, not at its state
        """Do the link's work unless this run has nothing to do, and hand the token on."""
        facts = {} if inputs.direction == "nothing" else engine.run_bounded(lambda: self._in_the_journal(inputs))
        return {"token": inputs.run, "facts": facts}

    @abstractmethod
    async def work(self, run: Run, inputs: Inputs) -> dict[str, Any]:
        """The link's work; returns what the state should show of it (small, no secrets)."""

    def failed(self, inputs: Inputs, failure: BaseException, details: str) -> None:
        """The journal keeps the traceback, the person gets one line, and a report of how far it came."""
        write_failure(inputs, inputs.run, failure, details)
        directory = Path(inputs.work_directory)
        with suppress(NoCutoverError, OSError):
            write_report(directory / "journal.jsonl", directory / "report", run=inputs.run)

    async def _in_the_journal(self, inputs: Inputs) -> dict[str, Any]:
        async def work(run: Run) -> dict[str, Any]:
            await run.checkpoint()
            return await self.work(run, inputs)

        async with opened(inputs, self.credentials, inputs.run) as run:
            return await journaled(run, inputs.name, work)


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


def write_failure(inputs: WorldInputs, token: str, failure: BaseException, details: str) -> None:
    """The failure of a link in the journal; ``details`` is its traceback."""
    journal(inputs, token).record(
        "error", link=inputs.name, type=type(failure).__name__, message=str(failure), details=details
    )


@asynccontextmanager
async def opened(inputs: WorldInputs, credentials: Mapping[str, Credentials], token: str) -> AsyncIterator[Run]:
    """A run on these clusters and this balancer; its connections are closed at the end.

    Raises:
        BadInput: a colour has no credentials.

    """
    async with AsyncExitStack() as stack:
        clusters = {
            colour: await stack.enter_async_context(ClusterApi(handle, credentials_of(colour, credentials)))
            for colour, handle in inputs.clusters.items()
        }
        yield Run(
            clusters=clusters,
            router=HaproxyRouter(inputs.balancer),
            token=token,
            record=journal(inputs, token).record,
            progress=engine.progress,
            interrupted=engine.interrupted,
            clock=SystemClock(),
            connect_milliseconds=connect_milliseconds,
        )


def credentials_of(colour: Colour, credentials: Mapping[str, Credentials]) -> Credentials:
    """The credentials of a colour, of which only the provider's configuration knows."""
    if colour not in credentials:
        raise BadInput(
            "the management API",
            node=colour,
            seen="no credentials are configured",
            todo=f"pulumi config set --secret --path emqx:credentials.{colour}.apiKey (and .apiSecret)",
        )
    return credentials[colour]


class Link(Resource):
    """A link of the chain; ``token`` is what the next one waits for, ``facts`` what this one did."""

    token: pulumi.Output[str]
    facts: pulumi.Output[dict[str, Any]]
    PROVIDER: ClassVar[type[TypedProvider[Any]]]

    def __init__(self, name: str, props: Mapping[str, Any], opts: pulumi.ResourceOptions | None = None) -> None:
        """Declare the link; ``props`` are the fields of its inputs, some of them outputs of other resources."""
        super().__init__(self.PROVIDER(), name, {**props, "token": None, "facts": None}, opts)
