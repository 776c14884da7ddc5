"""Target `external`: a cluster that exists already; nothing of it is created, changed or deleted."""

from __future__ import annotations

import re
from typing import Any, ClassVar, Literal

import pulumi
from pydantic import Field

from components.cutover.steps import Problem
from components.emqx.models import ClusterHandle, Credentials, Node
from components.problems import shown
from components.settings import ClusterSettings
from components.system.address import HOST, PORT
from components.targets.base import Site

SHAPES = {
    "name": (re.compile(r"[^\s@/]+@[^\s@/]+"), "a node's name like emqx@10.0.0.1"),
    "api": (re.compile(rf"https?://{HOST}:{PORT}/?"), "http://host:port, without credentials and path"),
    "mqtt": (re.compile(f"{HOST}:{PORT}"), "host:port"),
    "ws": (re.compile(f"{HOST}:{PORT}"), "host:port of its listener for WebSocket, or left out"),
}


class ExternalCluster(ClusterSettings):
    """A colour that exists already and is not ours to create or delete."""

    target: Literal["external"]
    nodes: tuple[Node, ...] = Field(min_length=1, max_length=200)

    @property
    def size(self) -> int:
        """The number of nodes."""
        return len(self.nodes)


class External:
    """Its nodes are as the stack's config has them."""

    model: ClassVar[type[ClusterSettings]] = ExternalCluster
    ours: ClassVar[bool] = False

    def problems(self, site: Site) -> list[Problem]:
        """An address or a name that has not the shape of one."""
        return [
            Problem(f"{site.path}.nodes[{index}].{field}", shown(value), allowed)
            for index, node in enumerate(site.settings.nodes)
            for field, (shape, allowed) in SHAPES.items()
            if (value := getattr(node, field)) is not None and not shape.fullmatch(value)
        ]

    def credentials_problem(self, credentials: Credentials) -> str | None:  # noqa: ARG002  -- whatever its cluster takes
        """Nothing is made with them."""
        return None

    def declare(self, site: Site, opts: pulumi.ResourceOptions) -> pulumi.Output[dict[str, Any]]:  # noqa: ARG002  -- nothing is declared
        """The handle itself."""
        return pulumi.Output.from_input(self.observed(site).model_dump(mode="json"))

    def observed(self, site: Site) -> ClusterHandle:
        """The handle, as the stack's config has it."""
        return ClusterHandle(
            colour=site.colour,
            nodes=site.settings.nodes,
            version=site.settings.version,
            edition=site.settings.edition,
            proxy_protocol=site.settings.proxy_protocol,
        )

    def standing(self, site: Site) -> bool:  # noqa: ARG002  -- what exists already is there
        """Always."""
        return True
