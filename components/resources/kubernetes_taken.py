"""KubernetesTaken: a Service that is not ours leads to our balancer, because the stack asks for it; it is looked at again by each update.

The rule: it changes what the Service leads to and nothing else, and `delete` puts nothing back: the colour that it led to before may have gone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, ClassVar

import pulumi
from pulumi.dynamic import Resource

from components.emqx.errors import Retryable, UpgradeError
from components.resources import progress
from components.resources.props import State
from components.resources.provider import TypedProvider
from components.workloads.taking import Taking, leads_here, take


class KubernetesTakenProvider(TypedProvider[Taking]):
    """Points it here."""

    TRIGGERS: ClassVar[frozenset[str]] = frozenset({"place", "name", "service", "ports", "leaves"})

    def identity(self, inputs: Taking) -> str:
        """The Service's name."""
        return inputs.service

    def stale(self, inputs: Taking, olds: State) -> bool:  # noqa: ARG002  -- the Service is looked at
        """Whether it leads elsewhere; who cannot be asked is no reason for an update."""
        try:
            return not asyncio.run(leads_here(inputs))
        except Retryable:
            return False
        except UpgradeError:
            return True

    def act(self, inputs: Taking, olds: State | None) -> State:  # noqa: ARG002  -- the Service is looked at
        """Lead it to the balancer."""
        nowhere = asyncio.run(take(inputs))
        if nowhere:
            ports = ", ".join(map(str, nowhere))
            progress.progress(f"the Service {inputs.service} leads to the balancer; its port {ports} leads nowhere now")
        return {}


class KubernetesTaken(Resource, module="emqx", name="KubernetesTaken"):
    """A Service of somebody's in front of our balancer."""

    def __init__(self, name: str, props: Mapping[str, Any], opts: pulumi.ResourceOptions | None = None) -> None:
        """Declare it."""
        super().__init__(KubernetesTakenProvider(), name, dict(props), opts)
