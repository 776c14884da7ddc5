"""What balancers on AWS have in common: their memory is an item of a table, found by their name in the account.

The rule: what is made is Pulumi's, what is weighed is the cutover's; before there is anything, everybody goes to the colour that was there first.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pulumi

from components.aws import names
from components.balancer.base import Fronted
from components.cutover.cohort import everybody
from components.cutover.words import COLOURS
from components.emqx.models import Endpoint
from components.ledger.base import Record
from components.ledger.remembered import EXTERNAL, STACK, Remembered
from components.routers.listeners import Listener
from components.settings import Settings
from components.system.aside import aside

DEFAULT = (Listener(port=1883, protocol="mqtt"),)
"""Where no listener is declared."""


class OnAws:
    """Found by its name in the account."""

    def remembered(self, settings: Settings) -> Remembered:
        """What the table says."""
        share, memory = _record(settings)
        external = tuple(colour for colour in COLOURS if colour in memory.get(EXTERNAL, "").split())
        return Remembered() if share is None else Remembered(share, memory, external)

    def owner(self, settings: Settings) -> str | None:
        """As the table says."""
        return _record(settings).memory.get(STACK)

    def reserve(self, settings: Settings, stack: str) -> None:
        """The balancer's own resource says it, in the table."""


def doors_of(settings: Settings) -> tuple[Listener, ...]:
    """Its listeners."""
    return settings.balancer.listeners or DEFAULT


def endpoints_of(settings: Settings, host: str = "*") -> list[Endpoint]:
    """The listeners, as far as they are known before there is a host."""
    return [Endpoint(protocol=one.protocol, address=f"{host}:{one.port}") for one in doors_of(settings)]


def own_name(settings: Settings) -> str:
    """Where names of its things begin."""
    return names.prefix(settings.balancer.aws.name, settings.environment)


def _record(settings: Settings) -> Record:
    from components.ledger.dynamodb import DynamodbLedger  # what AWS needs takes long to be imported

    ledger = DynamodbLedger(settings.balancer.aws.region, names.table(own_name(settings)))
    return aside(ledger.read())


def first_share(settings: Settings, fronted: Fronted, share: int | None) -> int:
    """Green's share with which a listener is made."""
    if share is not None:
        return share
    there = [*fronted.standing, settings.live]
    return everybody(there[0])


def wanted(settings: Settings, fronted: Fronted, kind: str, table: str) -> Mapping[str, Any]:
    """What its own resource is told of the stack, of itself (``kind`` is the router's word) and of its table."""
    front = settings.balancer.aws
    return {
        "name": own_name(settings),
        "kind": kind,
        "region": front.region,
        "table": table,
        "doors": [one.model_dump(mode="json") for one in endpoints_of(settings)],
        "ready_seconds": front.ready_seconds,
        "stack": pulumi.get_stack(),
        "live": settings.live,
        "colours": [colour for colour in COLOURS if colour in fronted.clusters],
        "holding": fronted.holding,
        "clusters": dict(fronted.clusters),
        "standing": fronted.standing,
        "external": fronted.external,
        "soak_seconds": settings.cutover.soak_seconds,
        "sessions_may_end": "sessions" in settings.cutover.acknowledge,
    }
