"""Where clients go when a node lets go of them: to the nodes that have the fewest, as a balancer that counts connections sends them.

The rule: these are forecasts; what really came of it is counted on the brokers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

WITHIN = 0.10
"""How far apart the loads of the nodes may be at the end, as a part of their mean."""


class NodeMoves(NamedTuple):
    """One node of a roll: how many clients leave it, and how often a client that sits there now can be disconnected at most in the whole of it."""

    node: str
    clients: int
    most_disconnects: int


class RollMoves(NamedTuple):
    """What a roll does to the clients: node by node, the loads after the last node, and how many are moved once more to even them out."""

    nodes: tuple[NodeMoves, ...]
    left: Mapping[str, int]
    evened: int


def moves(order: Sequence[str], clients: Mapping[str, int], *, evens: bool) -> RollMoves:
    """Play a roll in this order; ``clients`` are those of every node, rolled before or not, ``evens`` whether the end is evened out."""
    loads = dict(clients)
    rows = []
    for position, node in enumerate(order):
        leaving = loads[node]
        to_come = len(order) - position - 1 if len(loads) > 1 else 0
        rows.append(NodeMoves(node, leaving, 1 + to_come + (1 if evens else 0)))
        loads[node] = 0
        loads = poured(loads, leaving, without=node) if len(loads) > 1 else {node: leaving}
    return RollMoves(tuple(rows), loads, sum(excess(loads).values()) if evens else 0)


def poured(loads: Mapping[str, int], clients: int, *, without: str) -> dict[str, int]:
    """The loads when so many clients have come, each to the node with the fewest; none to ``without``."""
    filled = dict(loads)
    takers = sorted((name for name in loads if name != without), key=lambda name: (loads[name], name))
    while clients > 0 and takers:
        lowest = filled[takers[0]]
        level = [name for name in takers if filled[name] == lowest]
        higher = [filled[name] for name in takers if filled[name] > lowest]
        each = min(clients // len(level), higher[0] - lowest) if higher else clients // len(level)
        if each == 0:
            for name in level[:clients]:
                filled[name] += 1
            return filled
        for name in level:
            filled[name] += each
        clients -= each * len(level)
        takers.sort(key=lambda name: (filled[name], name))
    return filled


def even(loads: Mapping[str, int], within: float = WITHIN) -> bool:
    """Whether no two nodes are farther apart than that part of the mean, or than one client."""
    if not loads:
        return True
    apart = max(loads.values()) - min(loads.values())
    return apart <= max(1.0, within * sum(loads.values()) / len(loads))


class Levels(NamedTuple):
    """How EMQX's own rebalance is asked for: clients a second of each node that is too full, and when one is: so many more clients, so many times as many."""

    rate: int
    above: int
    times: float


def levels(loads: Mapping[str, int], budget_per_second: int) -> Levels:
    """Fine enough that its overshoot stays within ``WITHIN``.

    It moves a whole second's worth off every fuller node at a time, all of it to the others (recording D6_rebalance_ee: 9 / 9 / 0 became 5 / 5 / 8
    at 2 a second), so the last second may turn them around by half of what is allowed; the other half is left between them when it stops.
    """
    mean = sum(loads.values()) / len(loads)
    fuller = len(fullest(loads))
    others = max(1, len(loads) - fuller)
    half = WITHIN * mean / 2
    rate = min(int(half / (1 + fuller / others)), budget_per_second // max(1, fuller))
    return Levels(max(1, rate), max(1, int(half)), 1 + WITHIN / 2)


def rebalance_rate(loads: Mapping[str, int], budget_per_second: int) -> int:
    """How many clients a second EMQX's own rebalance moves, asked for as ``levels`` has it."""
    return levels(loads, budget_per_second).rate * len(fullest(loads))


def fullest(loads: Mapping[str, int]) -> tuple[str, ...]:
    """The nodes that have the mean or more: those that a rebalance takes clients from, as soon as they are far enough above it."""
    mean = sum(loads.values()) / len(loads)
    return tuple(name for name, load in loads.items() if load >= mean)


def excess(loads: Mapping[str, int], within: float = WITHIN) -> dict[str, int]:
    """How many clients each node has to give so that all are even; nothing where they are."""
    if even(loads, within):
        return {}
    low, more = divmod(sum(loads.values()), len(loads))
    ordered = sorted(loads, key=lambda name: (-loads[name], name))
    keep = {name: low + (place < more) for place, name in enumerate(ordered)}
    return {name: load - keep[name] for name, load in loads.items() if load > keep[name]}
