"""HAProxy on instances of EC2 behind a Network Load Balancer: the same router, over the instances that there are at this moment, asked by Systems Manager.

The rule: the ledger decides. An instance begins with the share of the table; whoever takes clients, which is who is healthy at the Network Load Balancer, has to take a new
share and to say so. One that does not answer and is not healthy takes nobody, and reads the share before it does.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import NamedTuple, TypeVar

from components.aws import names
from components.aws.clients import client
from components.cutover.capabilities import HAPROXY_INSTANCES
from components.cutover.words import Colour
from components.emqx.aws_told import told
from components.emqx.errors import BadInput, NotNow, Unreachable
from components.emqx.models import BalancerHandle, Tier
from components.ledger import files as maps
from components.ledger.dynamodb import DynamodbLedger
from components.routers.base import Bound, Capabilities, Mark, Router, SeenAs
from components.routers.haproxy.by_command import DIRECTORY, ByCommand
from components.routers.haproxy.router import HaproxyRouter, capabilities_of
from components.routers.haproxy.several import Several

ADMIN = "admin.sock"
FRESH_SECONDS = 5.0
PATIENCE_SECONDS, TIMEOUT_SECONDS = 10.0, 5.0
THERE = ("pending", "running")
AT_ONCE = 1_000
"""Addresses in one question, whose answer has to fit into what AWS tells."""
T = TypeVar("T")
_Act = Callable[[HaproxyRouter], Awaitable[None]]


class Machine(NamedTuple):
    """An instance: its id, private address, state, and whether the Network Load Balancer sends it clients."""

    id: str
    address: str
    state: str
    healthy: bool


class InstancesRouter(Several):
    """Router over the instances of a tier.

    Args:
        handle: its region, the tag of the instances, their target groups, and the table of the ledger.
        patience_seconds: how long one that takes clients may not answer.

    """

    def __init__(self, handle: BalancerHandle, *, patience_seconds: float = PATIENCE_SECONDS) -> None:
        if handle.aws is None or handle.tier is None:
            raise BadInput("the balancer's router", seen="no region, or no instances", todo="run pulumi up")
        self._handle, self._patience_seconds = handle, patience_seconds
        self._region, self._tier = handle.aws.region, handle.tier
        self._way = ByCommand(self._region)
        self._seen: tuple[float, Sequence[Machine]] | None = None

    @property
    def can(self) -> Capabilities:
        """As HAProxy everywhere, only slower."""
        return capabilities_of(self._handle, HAPROXY_INSTANCES)

    @property
    def end_command(self) -> str:
        """The instances, with all of their connections."""
        filters = f"Name=tag:{names.TIER},Values={self._tier.name}"
        query = "Reservations[].Instances[].InstanceId"
        listed = (
            f"aws ec2 describe-instances --region {self._region} --filters {filters} --query '{query}' --output text"
        )
        return f"aws ec2 terminate-instances --region {self._region} --instance-ids $({listed})"

    def replicas(self) -> Sequence[Router]:
        """A router for each instance that takes clients."""
        return self._over([one for one in listed(self._region, self._tier) if one.healthy]).replicas()

    async def bound(self, bounds: Sequence[Bound]) -> None:
        """Let no more clients in than this, over the instances that take any."""
        await (await self._now()).bound(bounds)

    async def mark(self) -> Mark:
        """How many connections each process has had until now."""
        self._way.forget("show info", "show proc")
        return await super().mark()

    async def find(
        self, colour: Colour, addresses: Collection[str], *, seen_as: SeenAs = "client", websocket_only: bool = False
    ) -> dict[str, str]:
        """So many at once as the answer may be long."""
        wanted, found = list(addresses), dict[str, str]()
        for first in range(0, len(wanted), AT_ONCE):
            some = wanted[first : first + AT_ONCE]
            found |= await super().find(colour, some, seen_as=seen_as, websocket_only=websocket_only)
        return found

    async def _asked(self, ask: Callable[[HaproxyRouter], Awaitable[T]]) -> T:
        return await ask(await self._now())

    async def _remembered(self) -> int | None:
        return (await DynamodbLedger(self._region, self._handle.maps).read()).share

    async def _now(self) -> HaproxyRouter:
        """The router over the instances that take clients.

        Raises:
            Unreachable: none does.

        """
        machines = await self._machines()
        healthy = [one for one in machines if one.healthy]
        if not healthy:
            raise Unreachable(
                "asking the balancer",
                node=self._tier.name,
                seen=f"none of its {len(machines)} instances is healthy at the Network Load Balancer",
                todo="see their console (aws ec2 get-console-output), then run pulumi up, which waits for them",
            )
        return self._over(healthy)

    def _over(self, machines: Sequence[Machine]) -> HaproxyRouter:
        handle = self._handle.model_copy(update={"admin": tuple(f"{one.id}/{ADMIN}" for one in machines)})
        return HaproxyRouter(
            handle,
            timeout_seconds=TIMEOUT_SECONDS,
            patience_seconds=self._patience_seconds,
            way=self._way,
            map_=f"{DIRECTORY}/{maps.SHARE}",
        )

    async def _machines(self, *, fresh: bool = False) -> Sequence[Machine]:
        now = time.monotonic()
        if fresh or self._seen is None or now - self._seen[0] > FRESH_SECONDS:
            self._seen = now, await asyncio.to_thread(listed, self._region, self._tier)
        return self._seen[1]

    async def _ordered(self, act: _Act) -> None:
        """Act on every instance that runs, and once more on those that have begun to take clients meanwhile.

        Raises:
            Unreachable, NotNow: one that takes clients did not do it.

        """
        done: set[str] = set()
        while True:
            machines = [one for one in await self._machines(fresh=True) if one.id not in done]
            if not machines:
                return
            answers = await asyncio.gather(*(self._acted(act, one) for one in machines))
            done |= {one.id for one in machines}
            for one, failure in zip(machines, answers, strict=True):
                if failure is not None and one.id in {other.id for other in await self._machines() if other.healthy}:
                    raise failure
            if not any(one.healthy for one in await self._machines()):
                await self._now()  # which says what is wrong with them

    async def _acted(self, act: _Act, one: Machine) -> Unreachable | NotNow | None:
        try:
            await act(self._over([one]))
        except (Unreachable, NotNow) as failure:
            return failure
        return None


def listed(region: str, tier: Tier) -> list[Machine]:
    """The instances of a tier that there are, by their ids.

    Raises:
        Unreachable, Unauthorized, NotNow, Refused: AWS.

    """
    filters = [
        {"Name": f"tag:{names.TIER}", "Values": [tier.name]},
        {"Name": "instance-state-name", "Values": list(THERE)},
    ]
    with told("looking at the balancer's instances", tier.name):
        pages = client(region, "ec2").get_paginator("describe_instances").paginate(Filters=filters)  # type: ignore[arg-type]  # plain dicts
        found = [one for page in pages for group in page["Reservations"] for one in group["Instances"]]
        healthy = _healthy(region, tier)
    machines = [
        Machine(one["InstanceId"], one.get("PrivateIpAddress", ""), one["State"]["Name"], one["InstanceId"] in healthy)
        for one in found
    ]
    return sorted(machines)


def _healthy(region: str, tier: Tier) -> set[str]:
    """Whom the Network Load Balancer sends clients at any of its listeners."""
    api, there = client(region, "elbv2"), set[str]()
    for group in tier.groups:
        for one in api.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]:
            if one.get("TargetHealth", {}).get("State") == "healthy":
                there.add(one.get("Target", {}).get("Id", ""))
    return there
