"""LocalCluster: a cluster as processes on this machine; it is never changed to another version in place."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import pulumi
from pulumi.dynamic import Resource

from components.emqx.errors import Refused
from components.guards.ownership import instead_of_in_place, refuse_moved
from components.local import cluster as local
from components.resources import engine, progress
from components.resources.local_cluster_inputs import LocalClusterInputs
from components.resources.owned import OwnedProvider
from components.resources.props import State, changed
from components.resources.world import credentials_of


class LocalClusterProvider(OwnedProvider[LocalClusterInputs]):
    """Starts, scales and ends the processes."""

    TRIGGERS: ClassVar[frozenset[str]] = frozenset({"nodes", "version", "edition", "emqx_home"})
    REPLACES: ClassVar[frozenset[str]] = frozenset({"directory"})

    def identity(self, inputs: LocalClusterInputs) -> str:
        """The cluster's name."""
        return inputs.name

    def refuse(self, inputs: LocalClusterInputs, olds: State) -> None:
        """Refuse what cannot be changed in place, which is what the other colour is for, and to take nodes with clients away."""
        if not olds:
            return
        for key in sorted(changed(LocalClusterInputs, inputs.fixed(olds), olds, inputs.model_dump(mode="json"))):
            raise Refused(
                f"changing {inputs.colour}",
                node=inputs.colour,
                seen=f"its {key} would change from {olds.get(key)} to {getattr(inputs, key)} in place",
                todo=instead_of_in_place(inputs.colour, idle=inputs.idle),
            )
        directory = Path(olds["directory"])
        pids = olds.get("pids") or ()
        runs = partial(local.lives, directory, pids)
        refuse_moved(inputs.colour, directory, Path(inputs.directory), directory.parents[1], runs)
        if olds.get("nodes", 0) > inputs.nodes:
            credentials = credentials_of(inputs.colour, self.credentials)
            asyncio.run(local.refuse_fewer(inputs.colour, olds["version"], directory, inputs.nodes, credentials))

    def stale(self, inputs: LocalClusterInputs, olds: State) -> bool:  # noqa: ARG002  -- the process is looked at
        """Whether a process is gone."""
        return not local.complete(Path(inputs.directory))

    def act(self, inputs: LocalClusterInputs, olds: State | None) -> State:
        """Start the processes, or adopt and scale those that run; a cluster that died comes back at its old addresses."""
        self.refuse(inputs, olds or {})
        return local.serve(
            inputs.wanted(olds or {}), credentials_of(inputs.colour, self.credentials), engine.interrupted
        )

    def end(self, props: State) -> None:
        """End the processes and move their data aside; the guard has been asked before, if the colour leaves with it."""
        directory, colour = Path(props["directory"]), props["colour"]
        if local.running(directory):
            asyncio.run(
                local.refuse_served(colour, props["version"], directory, credentials_of(colour, self.credentials))
            )
        if (aside := local.remove(directory, datetime.now(UTC))) is not None:
            with progress.serving():
                progress.progress(
                    f"the data of {props['colour']} is kept in {aside} until a cluster of this colour is removed again"
                )


class LocalCluster(Resource, module="emqx", name="LocalCluster"):
    """A cluster on this machine; ``handle`` is a ClusterHandle."""

    handle: pulumi.Output[dict[str, Any]]
    network: pulumi.Output[str]
    pids: pulumi.Output[Sequence[int]]

    def __init__(self, name: str, props: Mapping[str, Any], opts: pulumi.ResourceOptions | None = None) -> None:
        """Declare the cluster."""
        super().__init__(LocalClusterProvider(), name, {**props, "handle": None, "network": None, "pids": None}, opts)
