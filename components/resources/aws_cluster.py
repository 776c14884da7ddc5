"""AwsCluster: a colour's nodes answer, or the update ends with the reason; its output is their handle."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import pulumi
from pulumi.dynamic import Resource

from components.emqx.errors import Retryable, UpgradeError
from components.instances.nodes import Running, Watching, complete, strays, wait_for, wake
from components.instances.volumes import kept
from components.resources import engine, progress
from components.resources.props import State, own
from components.resources.provider import TypedProvider
from components.resources.world import credentials_of


class AwsClusterInputs(Running):
    """The instances that were declared, by their ids, and how long their nodes may take."""

    instances: Sequence[str]
    ready_seconds: float


class AwsClusterProvider(TypedProvider[AwsClusterInputs]):
    """Waits; what it waits for was made by Pulumi's own resources."""

    TRIGGERS: ClassVar[frozenset[str]] = frozenset(
        {"version", "edition", "nodes", "proxy_protocol", "region", "prefix", "instances"}
    )

    def identity(self, inputs: AwsClusterInputs) -> str:
        """What its instances are found by."""
        return inputs.cluster

    def stale(self, inputs: AwsClusterInputs, olds: State) -> bool:  # noqa: ARG002  -- the instances are looked at
        """Whether an instance is missing or does not run; one that cannot be looked at is no reason for an update."""
        try:
            return not complete(inputs)
        except Retryable:
            return False

    def act(self, inputs: AwsClusterInputs, olds: State | None) -> State:  # noqa: ARG002  -- the instances are looked at
        """Start what somebody has stopped, and wait until all nodes answer."""
        if left := strays(inputs):
            progress.warning(
                "\n".join(["an update that was killed has left these, which are no nodes; they go by:", *left])
            )
        for instance in wake(inputs):
            progress.progress(f"{instance} was stopped: starting it")
        watching = Watching(inputs.ready_seconds, engine.interrupted, progress.progress)
        handle = asyncio.run(wait_for(inputs, credentials_of(inputs.colour, self.credentials), watching))
        return {"handle": handle.model_dump(mode="json")}

    def delete(self, _id: str, props: State) -> None:
        """End nothing; say what stays in the account, and how it goes."""
        with progress.serving():
            try:
                stays = kept(Running.model_validate({key: own(props).get(key) for key in Running.model_fields}))
            except UpgradeError as failure:
                progress.warning(
                    f"volumes and snapshots of {props.get('colour')} stay; they could not be listed: {failure}"
                )
                return
            if stays:
                progress.warning("\n".join(["these stay, with the data of the colour; they are deleted by:", *stays]))


class AwsCluster(Resource, module="emqx", name="AwsCluster"):
    """A cluster on instances; ``handle`` is a ClusterHandle."""

    handle: pulumi.Output[dict[str, Any]]

    def __init__(self, name: str, props: Mapping[str, Any], opts: pulumi.ResourceOptions | None = None) -> None:
        """Declare the cluster."""
        super().__init__(AwsClusterProvider(), name, {**props, "handle": None}, opts)
