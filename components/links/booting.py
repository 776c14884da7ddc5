"""Nodes of the colour that clients go to and that went: out of the balancer before they boot, and back when they are right twice.

The rule: a node that boots lets everybody in, then nobody, and every health check says that it is well (docs/emqx/cluster.md#fresh-start); so it is not
the health check that lets it in again. It is looked at beside a step; what a run that was cut off has left outside, the next one lets in.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Coroutine, Mapping
from typing import Any

from components.cutover.facts import Facts
from components.cutover.words import Colour, other
from components.emqx.errors import Retryable
from components.emqx.probes import Topics
from components.links.readiness import Beside, api_state, mqtt_state, wait_until_ready
from components.routers.share import out_of_service
from components.run.run import Run

TWICE = 2


class Booting:
    """The nodes of ``to`` during one step, but those that it is ``without``."""

    def __init__(self, run: Run, to: Colour, without: Collection[str]) -> None:
        """Who is out already is asked at the first look."""
        self._run, self._to = run, to
        self._names = [name for name in run.clusters[to].node_names if name not in without]
        self._out: dict[str, int] | None = None

    async def look(self, facts: Facts) -> None:
        """Take out who does not run, and let in who runs and is right a second time; what cannot be asked now is asked at the next look."""
        if facts.nodes is None:
            return
        try:
            if self._out is None:
                self._out = dict.fromkeys(await _outside(self._run, self._to), 0)
            for name in self._names:
                await self._judge(name, facts.nodes, self._out)
        except Retryable:
            return

    async def _judge(self, name: str, running: Mapping[str, object], out: dict[str, int]) -> None:
        if name not in running:
            if name not in out:
                await self._whole(_take_out(self._run, self._to, name))
            out[name] = 0
        elif name in out:
            out[name] = out[name] + 1 if await self._right(name, running) else 0
            if out[name] == TWICE:
                await self._whole(_let_in(self._run, self._to, name))
                del out[name]

    @staticmethod
    async def _whole(act: Coroutine[Any, Any, None]) -> None:
        """A look ends in the middle when its step does; what the ledger says and what the balancer does must not be apart then."""
        doing = asyncio.ensure_future(act)
        try:
            await asyncio.shield(doing)
        except asyncio.CancelledError:
            await asyncio.gather(doing, return_exceptions=True)
            raise

    async def _right(self, name: str, running: Mapping[str, object]) -> bool:
        api = self._run.clusters[self._to]
        beside = Beside(self._run.clusters[other(self._to)], asked=False) if self._run.in_one_cluster else None
        gone = [one for one in api.node_names if one not in running]
        if await api_state(api, gone, beside):
            return False
        async with api.temporary_account(Topics.fresh(None).rules()) as account:
            return not await mqtt_state(api, account, [one for one in api.node_names if one != name], beside)


async def let_back(run: Run, to: Colour, without: Collection[str]) -> None:
    """Let in the nodes that an earlier run has left out of the balancer, but those that the colour is ``without``, once all are right.

    Raises:
        GaveUp: they are not in time.

    """
    outside = [name for name in await _outside(run, to) if name not in without]
    if outside:
        await wait_until_ready(run, to, without=without, back=True)
    for name in outside:
        await _let_in(run, to, name)


async def _take_out(run: Run, to: Colour, name: str) -> None:
    await run.act("server", colour=to, node=name, state="maint")
    await run.set_server(to, name, "maint")
    run.progress(f"{name} does not run: out of the balancer until it is back and right")


async def _let_in(run: Run, to: Colour, name: str) -> None:
    await run.act("server", colour=to, node=name, state="ready")
    await run.set_server(to, name, "ready")
    run.progress(f"{name} is back and right: the balancer may reach it")


async def _outside(run: Run, to: Colour) -> list[str]:
    states = out_of_service(await run.memory())
    return [node for (colour, node), state in states.items() if colour == to and state == "maint"]
