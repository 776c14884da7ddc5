"""The order of a roll's acts, node by node, as a pure iterator: what is observed and what is declared go in, transitions come out.

The rule: only one node is ever out of service, and planning again from any point at which a run was cut off ends with every node on the declared
version and in service.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from components.cutover.words import Edition

Act = Literal["shut", "move", "stop", "copy", "start", "ready", "open"]


class RollError(ValueError):
    """A roll that would leave fewer than all but one node in service."""


class Release(NamedTuple):
    """What a node runs, or is declared to run."""

    version: str
    edition: Edition

    def __str__(self) -> str:
        return f"{self.version} ({self.edition})"


@dataclass(frozen=True)
class RollNode:
    """One node as it is observed.

    ``release`` is what it runs, or ran last; None where nobody knows. ``shut`` is whether new clients are kept from it (out of the balancer, or
    evacuated), ``copied`` whether its data were copied in the roll that is under way, ``ready`` whether it takes right clients and refuses wrong ones.
    """

    name: str
    release: Release | None
    running: bool = True
    ready: bool = True
    shut: bool = False
    clients: int = 0
    copied: bool = False

    @property
    def serves(self) -> bool:
        """Whether clients are let in."""
        return self.running and self.ready and not self.shut

    def done(self, declared: Release) -> bool:
        """Whether nothing is left to do with it."""
        return self.serves and self.release == declared


class Transition(NamedTuple):
    """One act on one node.

    =====  ============================================================================================
    shut   keep new clients from it: out of the balancer, or evacuated
    move   take its clients off at the paced rate, and their sessions; also where no client is left, since a session may be
    stop   end its process, in order
    copy   copy its configuration and data
    start  start it with the declared version on its data
    ready  wait until it is a member that refuses wrong clients and takes right ones, twice in a row
    open   let clients in again, then judge
    =====  ============================================================================================
    """

    act: Act
    node: str


def order(nodes: Sequence[RollNode], declared: Release) -> tuple[str, ...]:
    """The nodes that are still to be rolled, in their order.

    First the one that is out of service already, since no other may be taken out beside it. Then those with the fewest clients: whoever is on
    the first node goes to nodes that are all still to come and is moved again, while those of a later node go to the empty ones behind it; so
    the clients of the first node are counted twice, and all others once (docs/emqx/rolling.md#three-ways).
    """
    left = [node for node in nodes if not node.done(declared)]
    return tuple(node.name for node in sorted(left, key=lambda one: (one.serves, one.clients)))


def plan(nodes: Sequence[RollNode], declared: Release) -> Iterator[Transition]:
    """The transitions that lead from what is observed to every node on ``declared`` and in service.

    We keep at all times: at most one node is not in service; a node is stopped only when new clients are kept from it and its own have left; its data
    are copied before another version touches them; new clients come to it only once it is ready.

    Raises:
        RollError: two nodes are out of service before anything was done.

    """
    world = {node.name: node for node in nodes}
    refuse_two_out(nodes)
    for name in order(nodes, declared):
        for act in acts(world[name], declared):
            world[name] = after(world[name], act, declared)
            refuse_two_out(list(world.values()))
            yield Transition(act, name)


def acts(node: RollNode, declared: Release) -> Iterator[Act]:
    """What is to be done with one node, from where it is."""
    if node.done(declared):
        return
    if not node.shut:
        yield "shut"
    if not (node.running and node.release == declared):
        if node.running:
            yield "move"
            yield "stop"
        if not node.copied:
            yield "copy"
        yield "start"
    yield "ready"
    yield "open"


def after(node: RollNode, act: Act, declared: Release) -> RollNode:
    """The node when the act is done."""
    if act == "shut":
        return replace(node, shut=True)
    if act == "move":
        return replace(node, clients=0)
    if act == "stop":
        return replace(node, running=False, ready=False, clients=0)
    if act == "copy":
        return replace(node, copied=True)
    if act == "start":
        return replace(node, running=True, ready=False, release=declared)
    if act == "ready":
        return replace(node, ready=True)
    return replace(node, shut=False, copied=False)


def refuse_two_out(nodes: Sequence[RollNode]) -> None:
    """Raise RollError where fewer than all but one node are in service."""
    out = [node.name for node in nodes if not node.serves]
    if len(out) > 1:
        message = f"{' and '.join(out)} are out of service, and a roll takes out one node at a time"
        raise RollError(message)
