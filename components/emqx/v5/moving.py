"""What a 5.x cluster itself does to move its clients and sessions: node evacuation and rebalance, both Enterprise only.

The rule: each method is one question or one act; at what rate, from where and when is the caller's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import TypeAdapter

from components.cutover.evacuation import Evacuation
from components.emqx.answers import EvacuationFacts
from components.emqx.evacuating import Evacuating, rates
from components.emqx.moving import Levelling
from components.emqx.reading import read
from components.emqx.v5.clients import ClientLists
from components.emqx.v5.traits import EditionTraits

_EVACUATIONS = TypeAdapter(tuple[EvacuationFacts, ...])
_OBJECT = TypeAdapter(dict[str, Any])
NOTHING, RUNS, STOPPED = "nothing_to_balance", "already_started", "not_started"


class Moving(ClientLists, Evacuating):
    """The part of ``ClusterApi`` that moves clients."""

    @property
    def node_names(self) -> tuple[str, ...]:
        """The declared nodes, in the handle's order."""
        return self.http.node_names

    async def traits(self, *, patience_seconds: float | None = None) -> EditionTraits:
        """What this cluster's edition can do."""
        raise NotImplementedError

    async def has_evacuation(self, *, patience_seconds: float | None = None) -> bool:
        """Whether the edition can evacuate nodes."""
        return (await self.traits(patience_seconds=patience_seconds)).has_evacuation

    async def evacuation_start(self, node: str, knobs: Evacuation, recipients: Sequence[str] = ()) -> bool:
        """Start to evacuate a node; False when one runs there already (by whom and how: ``evacuations()``).

        Waits are strings, as EMQX's API document says (docs/emqx/evacuation.md#values). Other refusals are Rejected.
        """
        body = {
            "wait_health_check": f"{knobs.wait_health_check_seconds}s",
            "wait_takeover": f"{knobs.wait_takeover_seconds}s",
            **rates(knobs, recipients),
        }
        return await self._evacuation(node, "start", body, unless="already_started")

    async def evacuations(self, *, patience_seconds: float | None = None) -> dict[str, EvacuationFacts]:
        """The running evacuations of the declared nodes; one that is not evacuating, or stopped, is missing. Empty in CE."""
        if not await self.has_evacuation(patience_seconds=patience_seconds):
            return {}
        reply = await self.http.call("GET", "/load_rebalance/global_status", patience_seconds=patience_seconds)
        body = reply.json()
        facts = read(_EVACUATIONS, reply, body.get("evacuations") if isinstance(body, dict) else None)
        return {entry.node: entry for entry in facts if entry.node in self.node_names}

    async def evacuation_status(self) -> dict[str, Any]:
        """``global_status`` as it is, also of nodes that are not declared; empty in CE."""
        if not await self.has_evacuation():
            return {}
        reply = await self.http.call("GET", "/load_rebalance/global_status")
        return read(_OBJECT, reply, reply.json())

    # -- rebalance -----------------------------------------------------------------------------------------------

    async def has_rebalance(self) -> bool:
        """Whether the edition can rebalance."""
        return await self.has_evacuation()

    async def rebalance_start(self, node: str, levelling: Levelling) -> bool:
        """``POST /load_rebalance/NODE/start`` (recording D6_rebalance_ee); False where EMQX finds ``nothing_to_balance``.

        The node only leads it. Once begun, a second start answers 404, since its nodes are busy: what runs is asked before.
        """
        body = {
            "wait_health_check": f"{levelling.knobs.wait_health_check_seconds}s",
            "wait_takeover": f"{levelling.knobs.wait_takeover_seconds}s",
            "conn_evict_rate": levelling.knobs.conn_evict_rate,
            "sess_evict_rate": levelling.knobs.sess_evict_rate,
            "abs_conn_threshold": levelling.above,
            "rel_conn_threshold": levelling.times,
            "abs_sess_threshold": levelling.above,
            "rel_sess_threshold": levelling.times,
            "nodes": list(self.node_names),
        }
        return await self._asked(node, "start", body, unless=NOTHING, repeatable=False)

    async def rebalance_stop(self, node: str) -> bool:
        """End the rebalance that this node leads; False where none runs."""
        return await self._asked(node, "stop", None, unless=STOPPED, repeatable=True)
