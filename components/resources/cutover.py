"""Cutover: the first link, which decides where this run goes and takes the lease; its `diff` asks the balancer."""

from __future__ import annotations

import asyncio
import secrets
import traceback
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import pulumi

from components.cutover.portions import Weighed
from components.cutover.words import Colour
from components.links.left_over import has_work
from components.links.opening import Opened, open_run
from components.links.roll_opening import open_roll
from components.resources import engine
from components.resources.in_place import has_roll, wanted
from components.resources.link import Link
from components.resources.props import State
from components.resources.provider import TypedProvider
from components.resources.world import WorldInputs, journaled, opened, tell_plan, write_failure
from components.run.run import Run


class CutoverInputs(WorldInputs):
    """Where to, from what, and what may be lost.

    For the policies: ``declared``, ``live``, ``steps``, ``strategy``, and as far as the balancer's files tell it, the colours that are
    ``holding`` a share and the ``origin`` of the data. ``weighed`` is there behind a balancer that does not know clients.
    """

    to: Colour
    live: Colour
    declared: Sequence[Mapping[str, Any]]
    steps: Sequence[Mapping[str, Any]]
    strategy: str
    holding: Sequence[Colour] = ()
    origin: Colour | None = None
    budget_per_second: int
    initial_delay_seconds: float = 0.0
    acknowledge: tuple[str, ...] = ()
    keep_stale_sessions: bool = False
    in_place: bool = False
    weighed: Weighed | None = None


class CutoverProvider(TypedProvider[CutoverInputs]):
    """Opens a run; it is run again whenever the balancer says that ``to`` does not serve everybody."""

    TRIGGERS: ClassVar[frozenset[str]] = frozenset({"to"})

    def identity(self, inputs: CutoverInputs) -> str:
        """The chain's neutral name."""
        return inputs.name

    def stale(self, inputs: CutoverInputs, olds: State) -> bool:  # noqa: ARG002  -- the world is asked, not the state
        """Whether somebody is not where ``to`` says, or a node does not run what is declared; what cannot be asked is a reason to look again."""
        if inputs.in_place:
            return asyncio.run(has_roll(inputs, self.credentials))
        return asyncio.run(has_work(inputs.to, inputs.balancer, [entry["colour"] for entry in inputs.declared]))

    def act(self, inputs: CutoverInputs, olds: State | None) -> State:  # noqa: ARG002  -- a run looks at the world
        """Open a new run under a fresh token."""
        token = secrets.token_hex(8)
        try:
            return engine.run_bounded(lambda: self._open(inputs, token))
        except Exception as failure:
            write_failure(inputs, token, failure, traceback.format_exc())
            raise

    def failed(self, inputs: CutoverInputs, failure: BaseException, details: str) -> None:
        """``act`` knew the run's token and has written it down."""

    async def _open(self, inputs: CutoverInputs, token: str) -> State:
        async def work(run: Run) -> State:
            found = await self._decided(run, inputs)
            run.progress(f"cutover to {inputs.to}: {found.direction} ({found.reason})")
            if found.direction != "nothing":
                tell_plan(run, inputs.work_directory)
                await run.clock.sleep(inputs.initial_delay_seconds)
            return {"token": found.run, "direction": found.direction, "facts": found.model_dump(mode="json")}

        async with opened(inputs, self.credentials, token) as run:
            return await journaled(run, inputs.name, work)

    async def _decided(self, run: Run, inputs: CutoverInputs) -> Opened:
        if inputs.in_place:
            return await open_roll(run, inputs.to, wanted(inputs, self.credentials))
        return await open_run(
            run,
            inputs.to,
            [entry["colour"] for entry in inputs.declared],
            inputs.acknowledge,
            budget_per_second=inputs.budget_per_second,
            keep_stale=inputs.keep_stale_sessions,
            weighed=inputs.weighed,
        )


class Cutover(Link, module="emqx", name="Cutover"):
    """The first link of the chain."""

    PROVIDER = CutoverProvider
    direction: pulumi.Output[str]

    def __init__(self, name: str, props: Mapping[str, Any], opts: pulumi.ResourceOptions | None = None) -> None:
        """Declare the chain's beginning."""
        super().__init__(name, {**props, "direction": None}, opts)
