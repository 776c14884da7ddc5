"""Nodes on instances of EC2: a node is stopped and started with its instance, and copied as a snapshot of its data volume.

The rule: which instance is a node's says the handle; a stop is marked on the instance, so that nobody waits for it meanwhile. What is declared takes effect
when the instance boots, so a start only makes sure that it is what was asked for.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from components.aws.clients import client
from components.aws.place import AwsPlace
from components.cutover.words import Edition
from components.emqx.aws_told import code_of, told
from components.emqx.errors import BadInput, GaveUp, Refused
from components.emqx.models import ClusterHandle, Credentials, KeeperHandle
from components.instances import volumes
from components.instances.nodes import KEPT
from components.keepers.asked import says, until_it_says
from components.keepers.base import Copied, Running
from components.keepers.copies import CopiedFile, Manifest, copied, recorded
from components.machines.parameters import DECLARED

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

ASIDE = "emqx-upgrade-aside"
"""The tag by which a booting instance moves the data of before aside (``machines/boot.sh``); no name with a slash can be read by the instance."""
POLL_SECONDS = 2.0
STOP_SECONDS, START_SECONDS = 900.0, 1_200.0
"""EC2 ends the power of an instance that does not shut down after some minutes; one that boots installs a package first."""
NO_CAPACITY = "InsufficientInstanceCapacity"


def keeper(
    handle: ClusterHandle, where: KeeperHandle, credentials: Credentials | None, interrupted: Callable[[], None]
) -> AwsKeeper:
    """The keeper of the instances in the handle, whose parameters lie below the place."""
    if handle.aws is None:
        todo = "run pulumi up again, which finds its instances"
        raise BadInput("the keeper of the nodes", node=handle.colour, seen="no instances are known", todo=todo)
    return AwsKeeper(handle, handle.aws, where.place, credentials, interrupted)


class AwsKeeper:
    """Asks EC2, and the node's own API what came of it."""

    def __init__(
        self,
        handle: ClusterHandle,
        place: AwsPlace,
        parameters: str,
        credentials: Credentials | None,
        interrupted: Callable[[], None],
    ) -> None:
        """Nothing is asked yet."""
        self._handle, self._place, self._parameters = handle, place, parameters
        self._credentials, self._interrupted = credentials, interrupted

    async def stop(self, node: str) -> None:
        """Shut its instance down in order, EMQX with it."""
        instance, tried = self._instance(node), f"stopping {node}"
        with told(tried, instance):
            await asyncio.to_thread(self._mark, instance, KEPT, "stopped")
            if await asyncio.to_thread(self._state, instance) not in {"stopped", "stopping"}:
                await asyncio.to_thread(self._ec2.stop_instances, InstanceIds=[instance])
        await self._until(instance, tried, "stopped", STOP_SECONDS)

    async def start(self, node: str, version: str, edition: Edition) -> None:
        """Start its instance, whose boot makes it what is declared."""
        wanted, tried, instance = Running(version, edition), f"starting {version} ({edition})", self._instance(node)
        here = await self.runs(node)
        if here not in {None, wanted}:
            seen = f"{here.version} ({here.edition}) runs there" if here else ""
            raise Refused(tried, node=node, seen=seen, todo="stop it first")
        if here is None:
            await asyncio.to_thread(self._require_declared, node, wanted, tried)
            await self._boot(node, instance, tried)
            here = await until_it_says(partial(self.runs, node), START_SECONDS, POLL_SECONDS, self._interrupted)
        if here != wanted:
            seen = (
                f"it runs {here.version} ({here.edition})"
                if here
                else f"its API does not answer after {START_SECONDS:g} s"
            )
            todo = (
                f"see what its boot said (aws ec2 get-console-output --latest --instance-id {instance}), correct it, reboot it"
                f" (aws ec2 reboot-instances --instance-ids {instance}), then run pulumi up again"
            )
            raise GaveUp(tried, node=node, seen=seen, todo=todo)
        with told(tried, instance):
            await asyncio.to_thread(self._ec2.delete_tags, Resources=[instance], Tags=[{"Key": KEPT}])

    async def runs(self, node: str) -> Running | None:
        """As its own API says; None while that does not answer, or its instance does not run."""
        instance = self._instance(node)
        with told(f"looking at {node}", instance):
            state = await asyncio.to_thread(self._state, instance)
        return await says(self._handle, node, self._credentials) if state == "running" else None

    async def back_up(self, node: str, place: Path) -> Copied:
        """A snapshot of its data volume; the directory has its id and the command that makes a volume of it."""
        if (before := await asyncio.to_thread(copied, place)) is not None:
            return before
        instance = await self._stopped(node, f"copying {node}")
        snapshot = await volumes.snapshot(self._place.region, instance, "/".join(place.parts[-2:]), self._interrupted)
        about = Manifest(
            node=node,
            cluster=f"{self._place.region}{self._parameters}",
            version=None,
            edition=None,
            belongs={},
            files=(CopiedFile(path=snapshot.id, size=snapshot.size_bytes, sha256=""),),
            restore=snapshot.restore(self._place.region),
        )
        return await asyncio.to_thread(recorded, place, about)

    async def set_aside(self, node: str) -> Path | None:
        """Mark the instance: should it ever boot again, it begins without the data of before."""
        instance = await self._stopped(node, f"setting the data of {node} aside")
        with told(f"setting the data of {node} aside", instance):
            await asyncio.to_thread(self._mark, instance, ASIDE, f"aside-{int(time.time())}")
        return None

    @property
    def _ec2(self) -> EC2Client:
        return client(self._place.region, "ec2")

    def _instance(self, node: str) -> str:
        if node not in self._place.instances:
            seen = f"the instances are those of {', '.join(sorted(self._place.instances))}"
            raise BadInput("looking for its instance", node=node, seen=seen, todo="name one of these nodes")
        return self._place.instances[node]

    def _state(self, instance: str) -> str:
        found = self._ec2.describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"][0]
        return found["State"]["Name"]

    def _mark(self, instance: str, key: str, value: str) -> None:
        self._ec2.create_tags(Resources=[instance], Tags=[{"Key": key, "Value": value}])

    async def _stopped(self, node: str, tried: str) -> str:
        instance = self._instance(node)
        with told(tried, instance):
            state = await asyncio.to_thread(self._state, instance)
        if state != "stopped":
            raise Refused(tried, node=node, seen=f"its instance {instance} is {state}", todo="stop it first")
        return instance

    def _require_declared(self, node: str, wanted: Running, tried: str) -> None:
        """A boot takes what the parameter says, so it has to say it."""
        name = f"{self._parameters}/{DECLARED}"
        with told(tried, name):
            value = client(self._place.region, "ssm").get_parameter(Name=name)["Parameter"]["Value"]
        version, edition, *_ = (*value.split(), "", "")
        if (version, edition) != wanted:
            seen, todo = (
                f"{version} ({edition}) is declared in {name}",
                "run pulumi up again: it has to be declared first",
            )
            raise Refused(tried, node=node, seen=seen, todo=todo)

    async def _boot(self, node: str, instance: str, tried: str) -> None:
        with told(tried, instance):
            state = await asyncio.to_thread(self._state, instance)
            if state in {"running", "pending"}:
                return
        await self._until(instance, tried, "stopped", STOP_SECONDS)
        with told(tried, instance):
            try:
                await asyncio.to_thread(self._ec2.start_instances, InstanceIds=[instance])
            except ClientError as failure:
                if code_of(failure) != NO_CAPACITY:
                    raise
                todo = f"its data volume is whole; run pulumi up again when there is room, or reserve capacity for {instance}"
                raise GaveUp(tried, node=node, seen=str(failure)[:300], todo=todo) from None

    async def _until(self, instance: str, tried: str, state: str, seconds: float) -> None:
        end = time.monotonic() + seconds
        while True:
            self._interrupted()
            with told(tried, instance):
                seen = await asyncio.to_thread(self._state, instance)
            if seen == state:
                return
            if time.monotonic() >= end:
                todo = f"see aws ec2 describe-instances --instance-ids {instance}, then run pulumi up again"
                raise GaveUp(tried, node=instance, seen=f"it is {seen} after {seconds:g} s", todo=todo)
            await asyncio.sleep(POLL_SECONDS)
