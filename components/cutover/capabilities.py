"""What a router can do, as data: the plan reads it before there is a router, the run asks its own.

The rule: whatever a router cannot do is a field here, never a name of a router in a condition elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from components.cutover.words import PARTS

Knows = Literal["client-id", "new-connections", "all-or-nothing"]
"""By what a router divides the clients: cohorts of ids, so that the same ones always go the same way; whoever connects anew; not at all."""
Late = Literal["no-id", "assigned-id", "websocket"]
UP_SECONDS = 60.0


@dataclass(frozen=True)
class Capabilities:
    """What a router can do.

    ``closes_clients``: it can end the connection of one client; where it ``hides_clients`` (it shows the balancer in front of it for each) only of
    those whom the nodes know by its own address too (``closes``). ``late_clients``: those whose cohort it cannot know, so that they move in
    the last step. A share is a multiple of ``finest_parts``. ``keeps_seconds`` is how long connections of before a change of the share live on
    (None: as long as they like). ``spreads`` is whether the share reaches devices by answers that others keep, ``spread_seconds`` how long after a change of the share devices may still be told the one of before: nobody is moved before that
    is over. ``up_seconds`` is how long it may take to see that a node is well. ``unseen`` is what it cannot see, for the plan.
    ``act_seconds`` is how long an order to it takes on its way: clients are closed in groups of what the budget earns meanwhile.
    """

    knows_clients: Knows
    closes_clients: bool = False
    hides_clients: bool = False
    late_clients: frozenset[Late] = frozenset()
    finest_parts: int = 1
    keeps_seconds: float | None = None
    spreads: bool = False
    spread_seconds: float = 0.0
    up_seconds: float = UP_SECONDS
    unseen: str = ""
    act_seconds: float = 0.0

    @property
    def cohorts(self) -> bool:
        """Whether a share is always the same clients."""
        return self.knows_clients == "client-id"

    def closes(self, *, proxied: bool) -> bool:
        """Whether it can close the clients of nodes one by one, which know them by its PROXY header (``proxied``) or by its own address."""
        return self.closes_clients and not (self.hides_clients and proxied)


HAPROXY = Capabilities("client-id", closes_clients=True, late_clients=frozenset({"no-id", "assigned-id", "websocket"}))
HAPROXY_PODS = replace(HAPROXY, act_seconds=0.4)
"""Each order is a look at the lease and three questions, which all pass the API server; it is asked no more often for more clients."""
HAPROXY_INSTANCES = replace(HAPROXY, act_seconds=4.0)
"""Each order and each question goes by Systems Manager, which takes a second or two, and closing is two of them."""
NETWORK_LOAD_BALANCER = Capabilities(
    "new-connections",
    finest_parts=10,
    keeps_seconds=3_600.0,
    up_seconds=300.0,
    unseen="how many connections it holds to each colour is not seen: the brokers are asked",
)
"""An hour after a listener was changed AWS ends connections of before (docs.aws.amazon.com, "Update a listener for your Network Load Balancer"); a new target takes minutes."""
ROUTE53 = Capabilities(
    "new-connections",
    finest_parts=50,
    spreads=True,
    up_seconds=300.0,
    unseen="a name does not see who is told what: neither resolvers that keep an answer for longer than its TTL, nor devices that never look a name up again, nor"
    " how many connections there are; the brokers are asked",
)
"""``finest_parts`` is what weights of 0 to 255 have exactly; connections live as long as they like, since nothing stands between a device and its node."""
SERVICE = Capabilities(
    "all-or-nothing",
    finest_parts=PARTS,
    unseen="how many connections go by it is not seen: the brokers are asked",
)
