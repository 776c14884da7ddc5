"""EmqxCluster: one declared colour; whatever the target, what comes out of it is a ClusterHandle."""

from __future__ import annotations

from typing import Any

import pulumi

from components.targets import TARGETS
from components.targets.base import Site


class EmqxCluster(pulumi.ComponentResource):
    """One colour.

    ``handle`` is the output that the chain is built on: a ClusterHandle as JSON.
    """

    handle: pulumi.Output[dict[str, Any]]

    def __init__(self, site: Site, opts: pulumi.ResourceOptions | None = None) -> None:
        """Declare the colour with its target's own resources."""
        super().__init__("emqx:cluster:EmqxCluster", site.colour, {}, opts)
        self.handle = TARGETS[site.settings.target].declare(site, pulumi.ResourceOptions(parent=self))
        self.register_outputs({"handle": self.handle})
