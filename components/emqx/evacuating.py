"""The calls of node evacuation that both lines have: 5.x documents and answers them as 4.4.12 Enterprise began to.

The rule: that it runs there already, or not at all, is an answer and no failure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from components.cutover.evacuation import Evacuation
from components.emqx.client import code_and_message, judged


def rates(knobs: Evacuation, recipients: Sequence[str]) -> dict[str, Any]:
    """What a start says in either line; how long it waits is written otherwise in each."""
    return {
        "conn_evict_rate": knobs.conn_evict_rate,
        "sess_evict_rate": knobs.sess_evict_rate,
        **({"migrate_to": list(recipients)} if recipients else {}),
    }


class Evacuating:
    """Start and stop; ``http`` are the connections of the dialect."""

    http: Any

    async def evacuation_stop(self, node: str) -> bool:
        """Open the node again; False when no evacuation ran there."""
        return await self._evacuation(node, "stop", None, unless="not_started")

    async def _evacuation(self, node: str, act: str, body: dict[str, Any] | None, *, unless: str) -> bool:
        # Any node passes it on, and one that is gone is a clear 404 instead of a time-out.
        return await self._asked(node, f"evacuation/{act}", body, unless=unless, repeatable=True)

    async def _asked(self, node: str, act: str, body: dict[str, Any] | None, *, unless: str, repeatable: bool) -> bool:
        path = f"/load_rebalance/{quote(node, safe='@')}/{act}"
        reply = await self.http.call("POST", path, body=body, accept=frozenset({400}), repeatable=repeatable)
        if code_and_message(reply.body)[1].endswith(unless):
            return False
        judged(reply)
        return True
