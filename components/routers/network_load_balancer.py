"""Router `network_load_balancer`: the weights of two target groups, the same on every listener; it weighs new connections, and knows no client.

The rule: a listener is changed only where it is not as it should be, since each change starts the hour after which AWS ends connections of before
(docs.aws.amazon.com, "Update a listener for your Network Load Balancer"). What is there is asked at most once in ``FRESH_SECONDS``.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from components.aws.clients import client
from components.cutover.capabilities import NETWORK_LOAD_BALANCER, Capabilities
from components.cutover.weights import OF_TARGET_GROUPS, share_of, weights_of
from components.cutover.words import COLOURS, PARTS, Colour
from components.emqx.errors import BadInput, NotNow, Refused
from components.emqx.models import BalancerHandle, Weighed
from components.ledger.base import require_parts
from components.routers.asking import Asking
from components.routers.base import Router, Server, ServerState
from components.routers.blind import Blind
from components.routers.forwarding import weights_in

if TYPE_CHECKING:
    from mypy_boto3_elbv2.type_defs import (
        ActionTypeDef,
        TargetDescriptionTypeDef,
        TargetGroupTupleTypeDef,
        TargetHealthDescriptionTypeDef,
    )

FRESH_SECONDS = 5.0
HEALTH_FRESH_SECONDS = 1.0
READ_BACK_SECONDS, POLL_SECONDS = 30.0, 0.5
"""What was written may be read as it was before for a moment."""
TAKES = frozenset({"healthy"})
LEAVES = frozenset({"draining", "gone"})


class NetworkLoadBalancerRouter(Asking, Blind):
    """Router over the listeners of a Network Load Balancer.

    Args:
        handle: its region, listeners and target groups.
        read_back_seconds: how long a change may take until it is read.

    """

    NODE = "the load balancer"

    def __init__(self, handle: BalancerHandle, *, read_back_seconds: float = READ_BACK_SECONDS) -> None:
        if handle.aws is None or handle.weighed is None:
            raise BadInput("the balancer's router", seen="no region, or no listeners", todo="run pulumi up")
        self._weighed: Weighed = handle.weighed
        super().__init__()
        self._region, self._read_back_seconds = handle.aws.region, read_back_seconds

    @property
    def can(self) -> Capabilities:
        """Weights for new connections."""
        return NETWORK_LOAD_BALANCER

    @property
    def end_command(self) -> str:
        """The load balancer with its listeners."""
        load_balancer = self._weighed.listeners[0].replace(":listener/", ":loadbalancer/").rpartition("/")[0]
        return f"aws elbv2 delete-load-balancer --region {self._region} --load-balancer-arn {load_balancer}"

    def replicas(self) -> Sequence[Router]:
        """AWS has them; they are one."""
        return [self]

    async def share(self) -> int:
        """Green's share in parts of 10,000.

        Raises:
            Refused: listeners disagree, or one sends its clients to nobody.
            Unreachable, NotNow, Unauthorized: AWS.

        """
        seen = {arn: share_of(self._colours(action)) for arn, action in (await self._actions()).items()}
        shares = {share for share in seen.values() if share is not None}
        if len(shares) == 1 and None not in seen.values():
            return shares.pop()
        shown = ", ".join(f"{_short(arn)} has {share}" for arn, share in seen.items())
        todo = "run pulumi up: its first link settles them to the ledger's share"
        raise Refused("green's share", node="the load balancer", seen=f"listeners disagree: {shown}", todo=todo)

    async def set_share(self, parts: int) -> None:
        """Set green's share on every listener, and read it back; a colour that is not there gets nothing.

        Raises:
            BadInput: not within 0..10000, or a share of a colour that it does not have.
            NotNow: a listener took it and still has another value.
            Unreachable, NotNow, Unauthorized, Refused: AWS.

        """
        require_parts(parts)
        weights = {
            one: weight for one, weight in weights_of(parts, OF_TARGET_GROUPS).items() if one in self._weighed.groups
        }
        if not any(weights.values()):
            here = ", ".join(self._weighed.groups) or "none"
            raise BadInput("setting green's share", seen=f"{parts} of {PARTS}", todo=f"give it to a colour of {here}")
        end = time.monotonic() + self._read_back_seconds
        asked = set[str]()
        while wrong := [
            arn for arn, action in (await self._actions(fresh=True)).items() if action != self._wanted(arn, weights)
        ]:
            for arn in set(wrong) - asked:
                await self._ask(f"setting green's share of {_short(arn)}", partial(self._modify, arn, weights))
            asked |= set(wrong)
            if time.monotonic() > end:
                shown = ", ".join(map(_short, wrong))
                seen = f"after {self._read_back_seconds:g} s {shown} shows other weights than {weights}"
                raise NotNow("setting green's share", node="the load balancer", seen=seen, todo="run the update again")
            await asyncio.sleep(POLL_SECONDS)

    async def health(self) -> Mapping[Colour, Mapping[str, bool]]:
        """For each colour and node, whether its targets are healthy for every listener."""
        health: dict[Colour, dict[str, bool]] = {colour: {} for colour in COLOURS}
        for colour, nodes in self._weighed.nodes.items():
            states = [await self._states(group) for group in self._weighed.groups.get(colour, ())]
            for address, node in nodes.items():
                health[colour][node] = bool(states) and all(one.get(address) in TAKES for one in states)
        return health

    async def servers(self) -> Mapping[Colour, Mapping[str, Server]]:
        """Which nodes are registered as targets; how many connections they have is not told."""
        servers: dict[Colour, dict[str, Server]] = {colour: {} for colour in COLOURS}
        for colour, nodes in self._weighed.nodes.items():
            groups = [await self._states(group) for group in self._weighed.groups.get(colour, ())]
            for address, node in nodes.items():
                here = {_registered(one, address) for one in groups}
                state: ServerState | None = None if len(here) != 1 else "ready" if here.pop() else "drain"
                servers[colour][node] = Server(state, 0)
        return servers

    async def set_server(self, colour: Colour, node: str, state: ServerState) -> None:
        """Register a node as a target, or take it out, and read it back: it gets no new connections then, and keeps those that it has until they end.

        Raises:
            Refused: there is no such node.
            NotNow: a target group took it and still says otherwise.

        """
        addresses = [address for address, name in self._weighed.nodes.get(colour, {}).items() if name == node]
        if not addresses:
            todo = "run pulumi up: it brings the balancer to the declared nodes"
            raise Refused(f"setting {node} to {state}", node=node, seen=f"the balancer has none of {colour}", todo=todo)
        end = time.monotonic() + self._read_back_seconds
        for group in await self._otherwise(colour, addresses, state):
            await self._ask(f"setting {node} to {state}", partial(self._target, group, addresses, state))
        while await self._otherwise(colour, addresses, state):
            if time.monotonic() > end:
                seen = f"its target groups say otherwise {self._read_back_seconds:g} s after they took it"
                raise NotNow(f"setting {node} to {state}", node=node, seen=seen, todo="run the update again")
            await asyncio.sleep(POLL_SECONDS)

    async def _otherwise(self, colour: Colour, addresses: Sequence[str], state: ServerState) -> list[str]:
        """The target groups that do not have these addresses so, asked now."""
        self._seen.clear()
        found = {group: await self._states(group) for group in self._weighed.groups.get(colour, ())}
        return [
            group
            for group, states in found.items()
            if any(_registered(states, address) != (state == "ready") for address in addresses)
        ]

    def _target(self, group: str, addresses: Sequence[str], state: ServerState) -> None:
        targets: list[TargetDescriptionTypeDef] = [{"Id": address} for address in addresses]
        api = client(self._region, "elbv2")
        (api.register_targets if state == "ready" else api.deregister_targets)(TargetGroupArn=group, Targets=targets)

    def _colours(self, action: Mapping[str, int]) -> dict[Colour, int]:
        """The weights in a listener's action, by colour, as far as they are of groups of ours."""
        mine = {arn: colour for colour, groups in self._weighed.groups.items() for arn in groups}
        return {mine[arn]: weight for arn, weight in action.items() if arn in mine}

    async def _actions(self, *, fresh: bool = False) -> dict[str, dict[str, int]]:
        """For each listener the weights of its target groups."""

        def look() -> dict[str, dict[str, int]]:
            found = client(self._region, "elbv2").describe_listeners(ListenerArns=list(self._weighed.listeners))
            return {one["ListenerArn"]: weights_in(one) for one in found["Listeners"]}

        return await self._fresh("listeners", "reading green's share", look, 0.0 if fresh else FRESH_SECONDS)

    async def _states(self, group: str) -> dict[str, str]:
        """The state of each target of a group, by its address."""

        def look() -> dict[str, str]:
            found = client(self._region, "elbv2").describe_target_health(TargetGroupArn=group)
            return dict(map(_state, found["TargetHealthDescriptions"]))

        return await self._fresh(group, "asking who is healthy", look, HEALTH_FRESH_SECONDS)

    def _wanted(self, arn: str, weights: Mapping[Colour, int]) -> dict[str, int]:
        """The weights of a listener's own groups."""
        number = self._weighed.listeners.index(arn)
        return {self._weighed.groups[colour][number]: weight for colour, weight in weights.items()}

    def _modify(self, arn: str, weights: Mapping[Colour, int]) -> None:
        groups: list[TargetGroupTupleTypeDef] = [
            {"TargetGroupArn": group, "Weight": weight} for group, weight in self._wanted(arn, weights).items()
        ]
        forward: ActionTypeDef = {"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}
        client(self._region, "elbv2").modify_listener(ListenerArn=arn, DefaultActions=[forward])


def _registered(states: Mapping[str, str], address: str) -> bool:
    """Whether a target group gives an address new connections once it is healthy."""
    return states.get(address, "gone") not in LEAVES


def _state(one: TargetHealthDescriptionTypeDef) -> tuple[str, str]:
    return one.get("Target", {}).get("Id", ""), one.get("TargetHealth", {}).get("State", "")


def _short(arn: str) -> str:
    """The end of a listener's address, by which people tell them apart."""
    return arn.rpartition("/")[2]
