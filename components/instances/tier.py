"""The instances of a balancer: waited for until each has taken over what is declared and the Network Load Balancer sends it clients.

The rule: one after the other, and nobody is cut off: what is new is a reload. A wait that ends says what AWS and the instance's own console said last.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from botocore.exceptions import BotoCoreError, ClientError

from components.aws.clients import client
from components.emqx.errors import GaveUp, Retryable
from components.emqx.models import Tier
from components.instances.nodes import POLL_SECONDS, Watching, console
from components.machines.user_data import BALANCER
from components.routers import commands
from components.routers.haproxy.by_command import DIRECTORY
from components.routers.haproxy.instances import listed

LOOK_SECONDS, APPLY_SECONDS = 30.0, 300.0
OVER = frozenset({"shutting-down", "terminated", "stopping", "stopped"})
"""States in which nobody waits for an instance."""


async def brought(region: str, tier: Tier, instances: Sequence[str], digest: str, watching: Watching) -> None:
    """Bring every instance to what is declared, and wait until all of them take clients.

    Raises:
        GaveUp: one does not, with the reason.

    """
    end = time.monotonic() + watching.seconds
    for one in instances:
        await _applied(region, one, digest, watching, end)
    await _healthy(region, tier, instances, watching, end)


async def _applied(region: str, instance: str, digest: str, watching: Watching, end: float) -> None:
    """Wait for its boot; where that was with something else it takes over what is declared now."""
    told, tried = "", False
    while True:
        watching.interrupted()
        try:
            line = f"cat {DIRECTORY}/applied 2>/dev/null || true"
            has = (await commands.run(region, instance, [line], "asking what it runs with", LOOK_SECONDS)).strip()
            if has == digest:
                return
            if has and not tried:
                watching.progress(f"{instance} takes over what is declared")
                await commands.run(region, instance, [BALANCER], "taking over what is declared", APPLY_SECONDS)
                tried = True
                continue
            seen = f"{instance} runs with {has}, declared is {digest}" if has else f"{instance} boots"
            tried = False
        except Retryable as passing:
            seen = f"{instance} does not answer yet: {passing.seen}"
        told = await _went_on(region, instance, seen, told, watching, end)


async def _healthy(region: str, tier: Tier, instances: Sequence[str], watching: Watching, end: float) -> None:
    told = ""
    while True:
        watching.interrupted()
        there = {one.id for one in await asyncio.to_thread(listed, region, tier) if one.healthy}
        missing = sorted(set(instances) - there)
        if not missing:
            return
        seen = f"the Network Load Balancer does not yet send clients to {', '.join(missing)}"
        told = await _went_on(region, missing[0], seen, told, watching, end)


async def _went_on(region: str, instance: str, seen: str, told: str, watching: Watching, end: float) -> str:
    """Tell what is new, and wait a moment; what was told.

    Raises:
        GaveUp: the time is over, or somebody has ended or stopped the instance.

    """
    state = await asyncio.to_thread(_state, region, instance)
    if state in OVER:
        todo = "run pulumi refresh, then pulumi up, which makes another one; start it first if it is only stopped"
        raise GaveUp("waiting for the balancer", node=instance, seen=f"the instance is {state}; {seen}", todo=todo)
    if seen != told:
        watching.progress(seen)
    if time.monotonic() > end:
        said = await asyncio.to_thread(console, region, instance)
        todo = "see the instance's console in EC2, correct the cause, then run pulumi up again"
        why = f"{seen} after {watching.seconds:g} s; {said}"
        raise GaveUp("waiting for the balancer", node=instance, seen=why, todo=todo)
    await asyncio.sleep(POLL_SECONDS)
    return seen


def _state(region: str, instance: str) -> str:
    """As EC2 has it; nothing where it does not say (an instance that is new may not be known everywhere yet)."""
    try:
        answer = client(region, "ec2").describe_instances(InstanceIds=[instance])
    except (ClientError, BotoCoreError):
        return ""
    return next((one["State"]["Name"] for group in answer["Reservations"] for one in group["Instances"]), "")
