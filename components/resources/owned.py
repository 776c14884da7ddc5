"""Whose a thing is that several resources in turn have stood for: the id of a resource carries the generation that it began.

The rule: a delete ends only what is still its own. A replacement (`--replace`, a taint) creates first, which takes over what runs, and then
deletes "the original", which is the same thing: its id names an older generation by then, so nothing is ended (docs/adr/0012).
"""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import TypeVar

from pulumi import dynamic
from pydantic import BaseModel

from components.resources.props import State
from components.resources.provider import TypedProvider
from components.system import generation

Inputs = TypeVar("Inputs", bound=BaseModel)


class OwnedProvider(TypedProvider[Inputs]):
    """A provider of what works in the directory that its input ``directory`` names."""

    def create(self, props: State) -> dynamic.CreateResult:
        """Make it, or take over what runs there: from now on it is this resource's."""
        made = super().create(props)
        return dynamic.CreateResult(generation.begin(Path(props["directory"]), str(made.id)), made.outs)

    def delete(self, id_: str, props: State) -> None:
        """End it, unless a later resource has taken it over."""
        if generation.is_current(Path(props["directory"]), id_):
            self.end(props)

    @abstractmethod
    def end(self, props: State) -> None:
        """End what works there; whoever had to refuse this has been asked before."""
