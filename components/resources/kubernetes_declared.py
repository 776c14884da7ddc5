"""KubernetesDeclared: stands before a colour's StatefulSet, so that what may not be changed in place is refused before anything of it is touched."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, ClassVar

import pulumi
from pulumi.dynamic import Resource

from components.emqx.errors import Refused
from components.emqx.fewer import refuse_fewer
from components.guards.ownership import instead_of_in_place
from components.keepers.snapshots import refuse_unknown
from components.resources import engine
from components.resources.fewer import Front, shrink
from components.resources.props import State, changed, own
from components.resources.provider import TypedProvider
from components.resources.world import credentials_of
from components.workloads.nodes import Running, forget_holds, handle_of

FIXED = frozenset({"version", "edition", "proxy_protocol"})
ROLLED = frozenset({"version", "edition"})
PLACED = frozenset({"place", "name", "storage"})
"""What a StatefulSet cannot change: another one would take its place, with all of its pods."""


class KubernetesDeclaredInputs(Running):
    """A colour as it is declared; ``idle`` is whether the other one has everybody, ``in_place`` whether another version is only declared here and brought to the nodes by a roll."""

    idle: bool = False
    in_place: bool = False
    storage: Mapping[str, str | None] = {}
    front: Front | None = None


class KubernetesDeclaredProvider(TypedProvider[KubernetesDeclaredInputs]):
    """Refuses, and makes nothing."""

    TRIGGERS: ClassVar[frozenset[str]] = frozenset(
        {"version", "edition", "proxy_protocol", "nodes", "place", "storage"}
    )

    def identity(self, inputs: KubernetesDeclaredInputs) -> str:
        """The StatefulSet's name."""
        return inputs.workload

    def refuse(self, inputs: KubernetesDeclaredInputs, olds: State) -> None:
        """Refuse another version in place, which is what the other colour is for, another place, and to take nodes with clients away."""
        if not olds:
            return
        before = _before(inputs, olds)
        fixed = (FIXED - ROLLED if inputs.in_place else FIXED) | PLACED
        news = inputs.model_dump(mode="json", by_alias=True)
        for key in sorted(changed(KubernetesDeclaredInputs, fixed, olds, news)):
            raise Refused(
                f"changing {inputs.colour}",
                node=inputs.colour,
                seen=f"its {key} would change from {getattr(before, key)} to {getattr(inputs, key)} in place",
                todo=instead_of_in_place(inputs.colour, idle=inputs.idle),
            )
        if inputs.in_place and inputs.snapshot_class is not None:
            asyncio.run(refuse_unknown(inputs.place, inputs.snapshot_class, inputs.colour))
        if inputs.front is None:
            asyncio.run(refuse_fewer(handle_of(before), inputs.nodes, credentials_of(inputs.colour, self.credentials)))

    def act(self, inputs: KubernetesDeclaredInputs, olds: State | None) -> State:
        """Refuse once more: what was right in the check may have changed. A colour that is new begins without what was held of one before it."""
        self.refuse(inputs, olds or {})
        before = _before(inputs, olds or {})
        front = inputs.front
        if front is not None and before.nodes > inputs.nodes:
            engine.run_bounded(lambda: shrink(handle_of(before), inputs.nodes, front, self.credentials))
        if not olds:
            asyncio.run(forget_holds(inputs))
        return {}

    def delete(self, _id: str, props: State) -> None:
        """The nodes of a colour that has left were held, so that none came back; with its StatefulSet that ends."""
        asyncio.run(forget_holds(self._inputs(own(props))))


def _before(inputs: KubernetesDeclaredInputs, olds: State) -> KubernetesDeclaredInputs:
    return KubernetesDeclaredInputs.model_validate({**inputs.model_dump(), **_known(olds)})


def _known(olds: State) -> State:
    return {
        key: value for key, value in olds.items() if key in KubernetesDeclaredInputs.model_fields and key != "front"
    }


class KubernetesDeclared(Resource, module="emqx", name="KubernetesDeclared"):
    """A colour on Kubernetes as it was declared last."""

    def __init__(self, name: str, props: Mapping[str, Any], opts: pulumi.ResourceOptions | None = None) -> None:
        """Declare it."""
        super().__init__(KubernetesDeclaredProvider(), name, dict(props), opts)
