"""EmqxCluster: one declared colour; whatever the target, what comes out of it is a ClusterHandle."""

from __future__ import annotations

from typing import Any

import pulumi

from components.cluster import external, local
from components.cutover.words import Colour
from components.settings import ExternalCluster, LocalCluster


class EmqxCluster(pulumi.ComponentResource):
    """One colour.

    ``handle`` is the output that the chain is built on: a ClusterHandle as JSON.
    """

    handle: pulumi.Output[dict[str, Any]]

    def __init__(
        self,
        colour: Colour,
        settings: LocalCluster | ExternalCluster,
        work_directory: str,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare the colour with its target's own resources."""
        super().__init__("emqx:cluster:EmqxCluster", colour, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        if isinstance(settings, LocalCluster):
            self.handle = local.declare(colour, settings, work_directory, child)
        else:
            self.handle = pulumi.Output.from_input(external.handle(colour, settings).model_dump(mode="json"))
        self.register_outputs({"handle": self.handle})
