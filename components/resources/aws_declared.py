"""AwsDeclared: stands before a colour's instances, so that what may not be changed in place is refused before anything of it is touched."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, ClassVar

import pulumi
from pulumi.dynamic import Resource

from components.emqx.errors import Refused
from components.emqx.fewer import refuse_fewer
from components.guards.ownership import instead_of_in_place
from components.instances.nodes import Running, observed
from components.resources.props import State, changed
from components.resources.provider import TypedProvider
from components.resources.world import credentials_of

ROLLED = frozenset({"version", "edition"})
MADE_WITH = frozenset({"proxy_protocol", "region", "prefix", "made_with"})
"""What an instance is made with: another one would stop it, or take its place, with its clients."""


class AwsDeclaredInputs(Running):
    """A colour as it is declared; ``idle`` is whether the other one has everybody, ``in_place`` whether another version is only declared here and brought to the nodes by a roll."""

    idle: bool = False
    in_place: bool = False
    made_with: Mapping[str, Any] = {}


class AwsDeclaredProvider(TypedProvider[AwsDeclaredInputs]):
    """Refuses, and makes nothing."""

    TRIGGERS: ClassVar[frozenset[str]] = ROLLED | MADE_WITH | {"nodes"}

    def identity(self, inputs: AwsDeclaredInputs) -> str:
        """What its instances are found by."""
        return inputs.cluster

    def refuse(self, inputs: AwsDeclaredInputs, olds: State) -> None:
        """Refuse another version in place, which is what the other colour is for, other machines, and to take nodes with clients away."""
        if not olds:
            return
        fixed = MADE_WITH if inputs.in_place else MADE_WITH | ROLLED
        news = inputs.model_dump(mode="json", by_alias=True)
        for key in sorted(changed(AwsDeclaredInputs, fixed, olds, news)):
            raise Refused(
                f"changing {inputs.colour}",
                node=inputs.colour,
                seen=_difference(key, olds, inputs),
                todo=instead_of_in_place(inputs.colour, idle=inputs.idle),
            )
        if olds.get("nodes", 0) > inputs.nodes and (before := observed(inputs)) is not None:
            asyncio.run(refuse_fewer(before, inputs.nodes, credentials_of(inputs.colour, self.credentials)))

    def act(self, inputs: AwsDeclaredInputs, olds: State | None) -> State:
        """Refuse once more: what was right in the check may have changed."""
        self.refuse(inputs, olds or {})
        return {}


def _difference(key: str, olds: State, inputs: AwsDeclaredInputs) -> str:
    """Which of the settings would change, and how."""
    before, now = olds.get(key), getattr(inputs, key)
    if key == "made_with":
        parts: Mapping[str, Any] = before or {}
        key = next(name for name in sorted({*parts, *now}) if parts.get(name) != now.get(name))
        before, now = parts.get(key), now.get(key)
    return f"its {key} would change from {before} to {now} in place"


class AwsDeclared(Resource, module="emqx", name="AwsDeclared"):
    """A colour on AWS as it was declared last."""

    def __init__(self, name: str, props: Mapping[str, Any], opts: pulumi.ResourceOptions | None = None) -> None:
        """Declare it."""
        super().__init__(AwsDeclaredProvider(), name, dict(props), opts)
