"""A colour's instances: found by their tags, waited for, and named with the reason where one does not come.

The rule: a wait looks at instance and node together, and when it gives up it says what AWS and the instance's own console said last. Of two instances with one
number that is the colour's which the parameter of its nodes names; the other one was left by an update that was killed, and is nobody's to wait for.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from components.aws import names
from components.aws.clients import client
from components.aws.place import AwsPlace
from components.cutover.words import Colour, Edition
from components.emqx.aws_told import code_of, told
from components.emqx.errors import GaveUp, Retryable, UpgradeError
from components.emqx.known import known
from components.emqx.models import ClusterHandle, Credentials, KeeperHandle, Node
from components.emqx.registry import cluster_of
from components.machines.parameters import API, MQTT, NODES, WEBSOCKET, name_of
from components.value import Value

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import InstanceTypeDef

CLUSTER, NUMBER = "emqx-upgrade:cluster", "emqx-upgrade:node"
"""The tags of instances and volumes by which they are found; public, since they are in the account."""
KEPT = "emqx-upgrade:kept"
"""The tag of an instance that a node keeper has stopped: nobody waits for it, and nobody else starts it."""
THERE = ("pending", "running", "stopping", "stopped")
NO_PARAMETER = "ParameterNotFound"
POLL_SECONDS = 2.0
LINES = 4


class Running(Value):
    """A colour's instances: where they are, whose, and how many nodes of which release it is declared with."""

    region: str
    prefix: str
    colour: Colour
    version: str
    edition: Edition
    nodes: int
    proxy_protocol: bool

    @property
    def cluster(self) -> str:
        """What their tag says."""
        return names.colour(self.prefix, self.colour)


class Instance(NamedTuple):
    """An instance as AWS has it: its number, id, private address, state, the reason of its state, its security group, and whether a keeper has stopped it."""

    number: int
    id: str
    address: str
    state: str
    reason: str
    group: str
    kept: bool


class Watching(NamedTuple):
    """How long, and whom to tell meanwhile."""

    seconds: float
    interrupted: Callable[[], None]
    progress: Callable[[str], None]


def found(running: Running) -> list[Instance]:
    """The colour's instances, in the order of their numbers.

    Raises:
        Unreachable, Unauthorized, NotNow, Refused: AWS.

    """
    return _divided(running)[0]


def strays(running: Running) -> list[str]:
    """How the instances go that an update has left which was killed before it knew of them; they boot, and start no EMQX (``machines/boot.sh``).

    Raises:
        Unreachable, Unauthorized, NotNow, Refused: AWS.

    """
    return [
        f"aws ec2 terminate-instances --region {running.region} --instance-ids {one.id}  # {running.cluster}-{one.number}"
        for one in _divided(running)[1]
    ]


def _divided(running: Running) -> tuple[list[Instance], list[Instance]]:
    """The colour's own, and others with the number of one of these."""
    there = _tagged(running)
    count = Counter(one.number for one in there)
    twice = [one for one in there if count[one.number] > 1]
    named = _named(running) if twice else set()
    known_here = {one.number for one in twice if name_of(one.address) in named}
    others = [one for one in twice if one.number in known_here and name_of(one.address) not in named]
    return [one for one in there if one not in others], others


def _named(running: Running) -> set[str]:
    """The nodes that the parameter names; none where there is no such parameter yet."""
    name = f"{names.parameters(running.prefix, running.colour)}/{NODES}"
    with told(f"reading who is of {running.cluster}", name):
        try:
            value = client(running.region, "ssm").get_parameter(Name=name)["Parameter"]["Value"]
        except ClientError as failure:
            if code_of(failure) != NO_PARAMETER:
                raise
            return set()
    return set(value.split())


def _tagged(running: Running) -> list[Instance]:
    filters = [
        {"Name": f"tag:{CLUSTER}", "Values": [running.cluster]},
        {"Name": "instance-state-name", "Values": list(THERE)},
    ]
    with told(f"looking at the instances of {running.cluster}", running.region):
        pages = client(running.region, "ec2").get_paginator("describe_instances").paginate(Filters=filters)  # type: ignore[arg-type]  # plain dicts
        all_of_them = [one for page in pages for group in page["Reservations"] for one in group["Instances"]]
    return sorted(_instance(one) for one in all_of_them)


def _instance(one: InstanceTypeDef) -> Instance:
    tags = {tag["Key"]: tag["Value"] for tag in one.get("Tags", ())}
    number = tags.get(NUMBER, "")
    groups = one.get("SecurityGroups", ())
    return Instance(
        number=int(number) if number.isdigit() else 0,
        id=one["InstanceId"],
        address=one.get("PrivateIpAddress", ""),
        state=one["State"]["Name"],
        reason=one.get("StateReason", {}).get("Message", ""),
        group=groups[0]["GroupId"] if groups else "",
        kept=KEPT in tags,
    )


def handle_of(running: Running, instances: Sequence[Instance]) -> ClusterHandle:
    """Their handle."""
    place = AwsPlace(
        region=running.region,
        group=instances[0].group,
        instances={name_of(one.address): one.id for one in instances},
    )
    return ClusterHandle(
        colour=running.colour,
        nodes=tuple(node_at(one.address) for one in instances),
        version=running.version,
        edition=running.edition,
        proxy_protocol=running.proxy_protocol,
        keeper=KeeperHandle(kind="aws", place=names.parameters(running.prefix, running.colour)),
        aws=place,
    )


def node_at(address: str) -> Node:
    """The node at a private address."""
    return Node(
        name=name_of(address), api=f"http://{address}:{API}", mqtt=f"{address}:{MQTT}", ws=f"{address}:{WEBSOCKET}"
    )


def observed(running: Running) -> ClusterHandle | None:
    """The handle of what is there, running or not; None where there is nothing."""
    instances = [one for one in found(running) if one.address]
    return handle_of(running, instances) if instances else None


async def wait_for(running: Running, credentials: Credentials, watching: Watching) -> ClusterHandle:
    """Wait until all instances run and the API of each node lists every other one as running.

    Raises:
        GaveUp: one does not, with the reason.

    """
    end, tried, told_of = time.monotonic() + watching.seconds, f"waiting for the nodes of {running.colour}", ""
    while True:
        watching.interrupted()
        seen, handle = await _look(running, credentials)
        if handle is not None:
            return handle
        if seen != told_of:
            watching.progress(seen)
            told_of = seen
        if time.monotonic() > end:
            why = await asyncio.to_thread(reasons, running)
            todo = "see the instances' console and status checks in EC2, correct the cause, then run pulumi up again"
            raise GaveUp(tried, node=running.cluster, seen=f"{seen} after {watching.seconds:g} s; {why}", todo=todo)
        await asyncio.sleep(POLL_SECONDS)


async def _look(running: Running, credentials: Credentials) -> tuple[str, ClusterHandle | None]:
    """What is missing, and the handle when nothing is."""
    try:
        instances = await asyncio.to_thread(found, running)
        if len(instances) < running.nodes:
            return f"{len(instances)} of {running.nodes} instances are there", None
        waited = [one for one in instances if not one.kept]
        waiting = [f"{one.id} is {one.state}" for one in waited if one.state != "running"]
        if waiting:
            return ", ".join(waiting), None
        handle = handle_of(running, instances)
        silent = await _silent(handle, {name_of(one.address) for one in waited}, credentials)
    except Retryable as passing:
        return str(passing), None
    return (f"{', '.join(silent)} do not answer yet", None) if silent else ("", handle)


async def _silent(handle: ClusterHandle, awaited: Collection[str], credentials: Credentials) -> list[str]:
    """The nodes of those that do not yet say of all of them that they run."""
    names = [node.name for node in handle.nodes if node.name in awaited]
    async with cluster_of(handle, credentials, patience_seconds=0) as api:
        seen = await asyncio.gather(*(known(api.nodes(node=name)) for name in names))
    listed = [{one.name for one in facts or () if one.running} for facts in seen]
    return [name for name, running in zip(names, listed, strict=True) if not set(names) <= running]


def wake(running: Running) -> list[str]:
    """Start the instances that somebody has stopped and no keeper has; their ids."""
    asleep = [one.id for one in found(running) if one.state == "stopped" and not one.kept]
    if asleep:
        with told(f"starting instances of {running.cluster}", running.region):
            client(running.region, "ec2").start_instances(InstanceIds=asleep)
    return asleep


def complete(running: Running) -> bool:
    """Whether all instances are there and run, but for those that a keeper has stopped."""
    there = found(running)
    return len(there) == running.nodes and all(one.state == "running" or one.kept for one in there)


def reasons(running: Running) -> str:
    """What AWS says of the instances, and the last lines of the console of one that is not well; never a reason to fail by itself."""
    try:
        instances = found(running)
        checks = _checks(running.region, [one.id for one in instances])
        told_by = [
            f"{one.id} ({one.address}) is {one.state}{f': {one.reason}' if one.reason else ''}{checks.get(one.id, '')}"
            for one in instances
        ]
        consoles = filter(None, (console(running.region, one.id) for one in instances))
        return "; ".join([*told_by, *list(consoles)[:1]]) or "no instance is there"
    except (UpgradeError, ClientError, BotoCoreError) as failure:
        return f"AWS could not be asked why: {failure}"


def _checks(region: str, ids: Sequence[str]) -> Mapping[str, str]:
    """Status checks that are not passed, by instance."""
    if not ids:
        return {}
    answer = client(region, "ec2").describe_instance_status(InstanceIds=list(ids))
    bad: dict[str, str] = {}
    for one in answer["InstanceStatuses"]:
        kinds = {"system": one.get("SystemStatus", {}), "instance": one.get("InstanceStatus", {})}
        wrong = [
            f"{kind} status check {found['Status']}"
            for kind, found in kinds.items()
            if found.get("Status", "ok") != "ok"
        ]
        if wrong:
            bad[one["InstanceId"]] = f", {', '.join(wrong)}"
    return bad


def console(region: str, instance: str) -> str:
    """The last lines that our own script printed there, else the last of all; never a reason to fail by itself."""
    try:
        lines = client(region, "ec2").get_console_output(InstanceId=instance).get("Output", "").splitlines()
    except (ClientError, BotoCoreError) as failure:
        return f"its console could not be read: {failure}"
    ours = [line.strip() for line in lines if "emqx-upgrade:" in line] or [line.strip() for line in lines]
    return f"console of {instance}: {' | '.join(ours[-LINES:])[:600]}" if ours else ""
