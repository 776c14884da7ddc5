"""Strategy `same-cluster`: green's nodes join blue's cluster; no data moves, sessions follow their clients, and the old nodes leave at the end."""

from __future__ import annotations

from components.cutover.movers import Choice
from components.cutover.routes import Strategy as Word
from components.cutover.words import Mover
from components.emqx.base import Scope
from components.settings import Cutover
from components.strategies.base import LinkSpec
from components.strategies.two_cluster import manner_of, steps_of


class SameCluster:
    """No mover of it ends a session: a kick does (recording B2_kick_same_cluster_ce), so it is not among them."""

    route: Word = "same-cluster"
    movers: tuple[Mover, ...] = ("close", "evacuation")
    scope: Scope = "colour"
    in_place: bool = False
    stays: tuple[str, ...] = ("leave",)

    def links(self, cutover: Cutover, mover: Choice) -> tuple[LinkSpec, ...]:
        """Backup, verification of the nodes that have joined, a link for each step, the drain that carries sessions, and the leaving."""
        manner = manner_of(cutover, mover).model_dump(mode="json")
        may_end = {"sessions_may_end": "sessions" in cutover.acknowledge}
        return (
            LinkSpec("backup", "Backup", "exports the data, which nobody imports"),
            LinkSpec(
                "verification",
                "Verification",
                "waits until the new nodes have joined, compares them node by node and asks them with MQTT clients",
                {"join_seconds": cutover.join_seconds},
            ),
            *steps_of(cutover, mover),
            LinkSpec(
                "drain", "Drain", "empties the old nodes, sessions included, and writes the report", {"manner": manner}
            ),
            LinkSpec("leave", "Leave", "lets old nodes leave when they are not declared any more", may_end),
        )
