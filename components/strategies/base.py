"""What a strategy is: the links of a cutover in their order, one list, which the program declares and the plan forecasts.

The rule: what a strategy does is in this list and nowhere else, so that plan and act cannot differ.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from components.cutover.movers import Choice
from components.cutover.routes import Strategy as Word
from components.cutover.steps import Step
from components.cutover.words import Mover
from components.emqx.base import Scope
from components.settings import Cutover


class LinkSpec(NamedTuple):
    """One link after the first.

    ``name`` stands behind ``cutover-`` in the state, ``kind`` is its resource's type, ``does`` is what the plan says of it, ``inputs`` are plain
    values, ``takes`` names for an input the link whose facts it gets, ``step`` is the step that it carries out. One that is ``each_node`` stands for a
    link for each node of the live colour: ``roll-1`` and so on, with its ``number``.
    """

    name: str
    kind: str
    does: str
    inputs: Mapping[str, Any] = {}
    takes: Mapping[str, str] = {}
    step: Step | None = None
    each_node: bool = False

    def of(self, nodes: int) -> tuple[LinkSpec, ...]:
        """The links that it stands for."""
        if not self.each_node:
            return (self,)
        numbers = range(1, nodes + 1)
        return tuple(
            self._replace(name=f"{self.name}-{number}", inputs={**self.inputs, "number": number}, each_node=False)
            for number in numbers
        )


class Strategy(Protocol):
    """A way to bring the clients from one colour to the other; the word in the stack file is ``cutover.strategy``.

    ``route`` is its word in the matrix of routes, which says between which versions it may be used; ``movers`` are those that it may use, the best first.
    ``scope`` is what a colour is: a cluster, or some nodes of the one cluster that both share. ``in_place`` is whether the live colour itself gets another
    version, so that no other one is declared beside it. ``stays`` names the links that are declared beside a single colour too, because they have to see that the
    other one is gone.
    """

    route: Word
    movers: tuple[Mover, ...]
    scope: Scope
    in_place: bool
    stays: tuple[str, ...]

    def links(self, cutover: Cutover, mover: Choice) -> tuple[LinkSpec, ...]:
        """The links behind the first one, in order; each waits for the one before it."""
        ...
