"""Leave: a colour that is not declared any more leaves the cluster that it shared; the last link, and the only one beside a single colour.

The rule: it acts in its update. Deletes come after all updates, so the processes that the old colour's own resource would end have left in
order by then; which colour that is, only the inputs of before know.
"""

from __future__ import annotations

import secrets
import traceback
from collections.abc import Sequence
from typing import Any, ClassVar

from components.emqx.models import ClusterHandle
from components.emqx.registry import cluster_of
from components.guards.leaving import left
from components.keepers.registry import keeper_of
from components.links.leave import leave
from components.resources import engine
from components.resources.link import Link, LinkInputs
from components.resources.props import State, clusters_before
from components.resources.provider import TypedProvider
from components.resources.world import credentials_of, journaled, opened, write_failure
from components.run.run import Run


class LeaveInputs(LinkInputs):
    """``sessions_may_end`` is whether sessions that nothing could carry were given up."""

    sessions_may_end: bool = False


class LeaveProvider(TypedProvider[LeaveInputs]):
    """Compares the colours that are declared with those of before; how they are reached, stopped and started counts as it was declared last."""

    TRIGGERS: ClassVar[frozenset[str]] = frozenset({"to", "run", "after", "clusters"})

    def identity(self, inputs: LeaveInputs) -> str:
        """The link's neutral name."""
        return inputs.name

    def act(self, inputs: LeaveInputs, olds: State | None) -> State:
        """Let each colour leave that is not declared any more, and hand the token on."""
        facts = {}
        for handle in _gone(inputs, olds or {}):
            facts[handle.colour] = self._let_go(inputs, handle)
        return {"token": inputs.run, "facts": facts, "serving": inputs.to}

    def failed(self, inputs: LeaveInputs, failure: BaseException, details: str) -> None:
        """``act`` knew its token and has written it down."""

    def _let_go(self, inputs: LeaveInputs, handle: ClusterHandle) -> State:
        token = secrets.token_hex(8)
        try:
            return engine.run_bounded(lambda: self._leave(inputs, handle, token))
        except Exception as failure:
            write_failure(inputs, token, failure, traceback.format_exc())
            raise

    async def _leave(self, inputs: LeaveInputs, handle: ClusterHandle, token: str) -> State:
        credentials = credentials_of(handle.colour, self.credentials)
        keeper = keeper_of(handle, credentials, engine.interrupted)

        async def work(run: Run) -> dict[str, Any]:
            await run.begin({})
            async with cluster_of(handle, credentials, scope="colour", patience_seconds=ASK_SECONDS) as old:
                return await leave(run, old, inputs.to, keeper, sessions_may_end=inputs.sessions_may_end)

        async with opened(inputs, self.credentials, token) as run:
            return await journaled(run, inputs.name, work)


ASK_SECONDS = 3.0
"""The old colour may be stopped already: then it has nothing to say."""


def _gone(inputs: LeaveInputs, olds: State) -> Sequence[ClusterHandle]:
    """The clusters of before whose colour is not declared any more, or stands for others."""
    return left(clusters_before(olds), inputs.clusters)


class Leave(Link, module="emqx", name="Leave"):
    """The end of a shared cluster; ``facts`` says who left and where their data are now."""

    PROVIDER = LeaveProvider
