"""What the program asks of a balancer's target: how it is declared, and what can be known of it before an update.

The rule: whatever stands there, what comes out of it is a BalancerHandle, from which router and ledger are made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import pulumi

from components.cutover.words import COLOURS, Colour
from components.emqx.models import BalancerHandle
from components.ledger.remembered import Remembered
from components.settings import Settings
from components.strategies import STRATEGIES


class Fronted(NamedTuple):
    """What a balancer stands in front of: ``standing`` was there before it, ``external`` is not ours, ``holding`` has a share, ``in_place`` is whether the one that serves is upgraded in place."""

    clusters: Mapping[Colour, pulumi.Output[dict[str, Any]]]
    standing: Sequence[Colour]
    external: Sequence[Colour]
    holding: Sequence[Colour]
    in_place: bool = False


class BalancerTarget(Protocol):
    """One way in which a balancer lives somewhere; the word in the stack file is ``balancer.target``.

    ``router`` is the word of the router that it is (``components.routers.registry``), by which is known what it can do before there is one.
    """

    router: str

    def declare(
        self, name: str, settings: Settings, fronted: Fronted, opts: pulumi.ResourceOptions
    ) -> pulumi.Output[dict[str, Any]]:
        """Declare its own resources; the output is a BalancerHandle as JSON."""
        ...

    def remembered(self, settings: Settings) -> Remembered:
        """What its ledger holds; nothing where none ever ran. Unreachable where it cannot be asked and lies elsewhere than on this machine."""
        ...

    def owner(self, settings: Settings) -> str | None:
        """The stack whose balancer stands there; None where no update of one ever did."""
        ...

    def reserve(self, settings: Settings, stack: str) -> None:
        """Say whose place it is, before the first resource is made, where that can be said then."""
        ...

    def observed(self, settings: Settings) -> BalancerHandle | None:
        """The handle of the one that runs before an update; None when none does."""
        ...


def judged(settings: Settings, fronted: Fronted) -> dict[str, Any]:
    """What every balancer's first resource has to be judged by: inputs that its refusals and the policies read."""
    return {
        "live": settings.live,
        "colours": [colour for colour in COLOURS if colour in fronted.clusters],
        "max_connections": settings.balancer.max_connections,
        "replicas": settings.balancer.replicas,
        "standing": fronted.standing,
        "external": fronted.external,
        "holding": fronted.holding,
        "soak_seconds": settings.cutover.soak_seconds,
        "sessions_may_end": "sessions" in settings.cutover.acknowledge,
        "in_one_cluster": STRATEGIES[settings.cutover.strategy].scope == "colour",
    }


def handle_from(made: Any, *fields: str) -> pulumi.Output[dict[str, Any]]:
    """The handle that a balancer's own resource has put out; ``fields`` are those of its kind: another one has no value, which a preview would take for unknown."""
    endpoints = made.endpoints.apply(lambda some: [dict(one) for one in some or ()])
    return pulumi.Output.all(
        router=made.router,
        ledger=made.ledger,
        mqtt=made.mqtt,
        endpoints=endpoints,
        admin=made.admin,
        maps=made.maps,
        **{field: getattr(made, field) for field in fields},
    )
