"""What a roll will do, node by node and in numbers, before the first node is touched: the plan of ``pulumi preview``.

The rule: what could not be counted is unknown, never zero; every figure that is no count says where it is from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from components.cutover.pace import limit_seconds
from components.cutover.roll import Release, RollNode, order
from components.cutover.roll_way import WayBack, conditions, direction, way_back
from components.cutover.spread import WITHIN, NodeMoves, moves, rebalance_rate
from components.value import Value

RESTART_SECONDS = 30.0
"""The longest that a node took from SIGTERM until it was ready, all in all (docs/emqx/rolling.md#three-ways)."""

By = Literal["close", "close and evacuation", "evacuation", "stop"]
"""What takes the clients off a node: their connections closed at the balancer, Enterprise's evacuation, or nothing before the stop."""
Evens = Literal["close", "rebalance", "nothing"]

_CLOSED = "its connections are closed at the balancer with a FIN, and sessions follow their clients"
BY: Mapping[By, str] = {
    "close": f"each node is drained, {_CLOSED}; those of clients that are offline are taken over one by one",
    "close and evacuation": f"each node is drained, {_CLOSED}; then it is evacuated to the others, with the sessions of clients that are offline",
    "evacuation": "each node is evacuated to the others, sessions too; MQTT 5 clients get a DISCONNECT",
    "stop": "no balancer of ours can keep clients from a node: they lose their connection when it stops, all at once and with their sessions, and a stopping node lets anonymous clients in",
}
EVENS: Mapping[Evens, str] = {
    "close": "connections are closed at the balancer until the loads are within {} % of each other",
    "rebalance": "EMQX's own rebalance, until the loads are within {} % of each other; MQTT 5 clients get a DISCONNECT, and the fuller nodes are out of service meanwhile",
    "nothing": "nothing can even the nodes out: the last one stays empty until clients come to it by themselves",
}


def mover(*, closes: bool, evacuates: bool) -> By:
    """By what clients leave: ``closes`` is what the router can, ``evacuates`` what every node can before and after."""
    if closes:
        return "close and evacuation" if evacuates else "close"
    return "evacuation" if evacuates else "stop"


def evener(*, closes: bool, rebalances: bool) -> Evens:
    """By what the loads are evened out at the end."""
    return "close" if closes else "rebalance" if rebalances else "nothing"


class NodeForecast(Value):
    """One node: what it runs, how many clients leave it, how long it is out, how often one of its clients is disconnected at most."""

    node: str
    runs: str
    clients: int | None
    expected_seconds: float | None
    most_disconnects: int


class RollForecast(Value):
    """The plan of a roll; no node at all where nothing is to be done.

    ``past`` are the clients whose connection the balancer does not have (None: not known), ``accepts`` what the listeners of all nodes but one accept in
    a second (None: no limit that is known).
    """

    declared: str
    of: int
    by: By
    evens: Evens
    nodes: tuple[NodeForecast, ...]
    evened: int | None
    evening_seconds: float | None
    left: Mapping[str, int] | None
    expected_seconds: float | None
    back: WayBack | None
    conditions: tuple[str, ...] = ()
    down: bool = False
    past: int | None = 0
    accepts: int | None = None


def forecast(
    nodes: Sequence[RollNode],
    declared: Release,
    *,
    by: By,
    evens: Evens,
    budget_per_second: int,
    counted: bool,
    past: int | None = 0,
    accepts: int | None = None,
) -> RollForecast:
    """The plan for nodes as they are observed; ``counted`` is whether their clients could be counted, ``past`` and ``accepts`` as in the plan."""
    budget_per_second = budget_per_second if accepts is None else min(budget_per_second, accepts)
    rolled = order(nodes, declared)
    runs = {node.name: node.release for node in nodes}
    played = moves(rolled, {node.name: node.clients for node in nodes}, evens=evens != "nothing")
    rows = tuple(
        _row(one, runs[one.node], _seconds(one.clients, by, budget_per_second), counted=counted) for one in played.nodes
    )
    old = [release for name in rolled if (release := runs[name]) is not None and release != declared]
    rate = rebalance_rate(played.left, budget_per_second) if evens == "rebalance" else budget_per_second
    evening = played.evened / rate
    return RollForecast(
        declared=str(declared),
        of=len(nodes),
        by=by,
        evens=evens,
        nodes=rows,
        evened=played.evened if counted else None,
        evening_seconds=round(evening, 1) if counted else None,
        left=played.left if counted else None,
        expected_seconds=sum(row.expected_seconds or 0 for row in rows) + evening if counted else None,
        back=_back(old, declared),
        conditions=conditions(dict.fromkeys(old), declared),
        past=past,
        accepts=accepts,
        down=any(direction(one, declared) == "down" for one in old),
    )


def _row(one: NodeMoves, runs: Release | None, seconds: float, *, counted: bool) -> NodeForecast:
    return NodeForecast(
        node=one.node,
        runs=str(runs or "unknown"),
        clients=one.clients if counted else None,
        expected_seconds=seconds if counted else None,
        most_disconnects=one.most_disconnects,
    )


def _back(old: Sequence[Release], declared: Release) -> WayBack | None:
    ways = {way_back(one, declared) for one in old}
    return None if not ways else "backup" if "backup" in ways else "in place"


def _seconds(clients: int, by: By, budget_per_second: int) -> float:
    return RESTART_SECONDS + (0.0 if by == "stop" else limit_seconds(clients, budget_per_second))


def render(plan: RollForecast) -> str:
    """A short table for preview."""
    if not plan.nodes:
        return f"roll to {plan.declared}: nothing to do (every node runs it)"
    short = f"{plan.of - 1} of {plan.of} nodes serve meanwhile"
    if plan.of == 1:
        short = "it is the only node: nobody is served while it restarts"
    rows = [("node", "runs", "clients", "seconds", "disconnects at most")]
    rows += [
        (row.node, row.runs, _shown(row.clients), _shown(row.expected_seconds), str(row.most_disconnects))
        for row in plan.nodes
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    table = [
        "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
    minutes = None if plan.expected_seconds is None else plan.expected_seconds / 60
    return "\n".join(
        [
            f"roll {'down ' if plan.down else ''}to {plan.declared}: {len(plan.nodes)} of {plan.of} nodes, one after the other; {short}",
            *table,
            f"  expected {_shown(minutes)} minutes in all",
            f"  clients leave by {plan.by}: {BY[plan.by]}",
            *_past(plan),
            f"  a client is disconnected {max(row.most_disconnects for row in plan.nodes)} times at most: once with its node,"
            " once for each node behind it in the order" + ("" if plan.evens == "nothing" else ", once to even out"),
            f"  at the end: {EVENS[plan.evens].format(f'{WITHIN:.0%}'.removesuffix('%'))}{_left(plan)}",
            f"  the way back: {_way_back(plan)}",
            *(f"  the route asks: {one}" for one in plan.conditions),
        ]
    )


def _past(plan: RollForecast) -> list[str]:
    """What the balancer cannot close, and what the nodes do not take."""
    lines = []
    if plan.by in {"close", "close and evacuation"} and plan.past != 0:
        then = (
            "they are evacuated, and those of MQTT 5 get a DISCONNECT"
            if plan.by == "close and evacuation"
            else "the roll stops before their node, or with `acknowledge: [sessions]` they lose their connection with it"
        )
        lines.append(f"  {_shown(plan.past)} connections are not the balancer's, which cannot close them: {then}")
    if plan.accepts is not None:
        lines.append(
            f"  the listeners of all nodes but one accept {plan.accepts} connections a second, and no more is asked"
        )
    return lines


def _left(plan: RollForecast) -> str:
    if plan.left is None:
        return ""
    loads = " / ".join(map(str, plan.left.values()))
    return f" (after the last node {loads}; {plan.evened} clients are moved once more)"


def _way_back(plan: RollForecast) -> str:
    if plan.back == "in place":
        return "the same roll downwards, `acknowledge: [way_back]`; and the backup of each node"
    return "the backup of each node and the export beside them; no roll leads down from there"


def _shown(number: float | None) -> str:
    return "unknown" if number is None else f"{number:.1f}".removesuffix(".0")
