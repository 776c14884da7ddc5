"""Strategy `rolling`: the nodes of the live colour get another version in place, one after the other, each empty while it restarts."""

from __future__ import annotations

from components.cutover.movers import Choice
from components.cutover.routes import Strategy as Word
from components.cutover.words import Mover
from components.emqx.base import Scope
from components.settings import Cutover
from components.strategies.base import LinkSpec
from components.strategies.two_cluster import manner_of


class Rolling:
    """No version touches a node's data before they are copied, and no second node is out beside one."""

    route: Word = "rolling"
    movers: tuple[Mover, ...] = ("close", "evacuation")
    scope: Scope = "cluster"
    stays: tuple[str, ...] = ()
    in_place: bool = True

    def links(self, cutover: Cutover, mover: Choice) -> tuple[LinkSpec, ...]:
        """The export beside the copies, a link for each node, and the end, at which the loads are evened out."""
        manner = manner_of(cutover, mover).model_dump(mode="json")
        inputs = {"manner": manner, "acknowledge": list(cutover.acknowledge)}
        return (
            LinkSpec("backup", "Backup", "exports the data, which nobody imports"),
            LinkSpec("roll", "NodeUpgrade", "empties, copies and restarts one node", inputs, each_node=True),
            LinkSpec("rebalance", "Rebalance", "evens out the loads and writes the report", inputs),
        )
