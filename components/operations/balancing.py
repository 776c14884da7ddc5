"""The HAProxy of target `local`: brought to a configuration, and asked before a colour leaves it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from components.cutover.cohort import everybody, share_percent
from components.cutover.words import COLOURS, Colour, Edition, other
from components.emqx.errors import Refused, Retryable, Unreachable
from components.emqx.models import BalancerHandle, ClusterHandle, Credentials
from components.emqx.v5 import ClusterApi
from components.operations.opening import drained_at, origin
from components.router import maps, process
from components.router.base import CUTOVER
from components.router.configuration import HaproxySettings, Side, render
from components.router.haproxy import HaproxyRouter

ADDRESS = "address"
"""The file that remembers the address which was taken, so that a balancer that died comes back at the same one."""
LOOK_SECONDS = 3.0


@dataclass(frozen=True)
class Wanted:
    """The balancer as it should be; without ``address`` a free port on loopback is taken and kept."""

    live: Colour
    clusters: Mapping[Colour, ClusterHandle]
    editions: Mapping[Colour, Edition]
    directory: Path
    address: str | None
    max_connections: int
    replicas: int


@dataclass(frozen=True)
class Leaving:
    """A colour that the new configuration does not have any more."""

    cluster: ClusterHandle
    credentials: Credentials
    directory: Path
    soak_seconds: float


def handle_of(directory: Path) -> BalancerHandle:
    """Where the balancer of this directory is reached; Unreachable when none ever ran there."""
    try:
        address = (directory / ADDRESS).read_text().strip()
    except FileNotFoundError:
        raise Unreachable(
            "asking the balancer", node=str(directory), seen="none ever ran here", todo="run pulumi up where it runs"
        ) from None
    admin = tuple(str(replica / process.ADMIN) for replica in _replicas(directory))
    return BalancerHandle(mqtt=address, admin=admin, maps=str(directory))


def serve(wanted: Wanted, credentials: Mapping[str, Credentials]) -> BalancerHandle:
    """Start HAProxy with this configuration, or let the running one take it over without losing a connection.

    Raises:
        BadInput: HAProxy does not accept the configuration.
        GaveUp: it does not start.

    """
    directory = wanted.directory
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    (directory / ADDRESS).write_text(_address(wanted))
    if not (directory / maps.SHARE).exists():
        parts = first_share(wanted.live, asyncio.run(_live_counts(wanted, credentials)))
        maps.write(directory / maps.SHARE, {maps.SHARE_KEY: str(parts)})
    sides = tuple(Side(cluster=wanted.clusters[c], edition=wanted.editions[c]) for c in COLOURS if c in wanted.clusters)
    settings = HaproxySettings(
        listen=(_address(wanted),),
        sides=sides,
        maps="..",
        max_connections=wanted.max_connections,
        shared_listener=wanted.replicas > 1,
    )
    for number in range(1, wanted.replicas + 1):
        process.bring(directory / str(number), render(settings), map_directory=directory)
    for surplus in _replicas(directory)[wanted.replicas :]:
        process.stop(surplus)
        (surplus / process.CONFIG).unlink()
    handle = handle_of(directory)
    asyncio.run(_settle(handle, wanted))
    return handle


def running(directory: Path) -> bool:
    """Whether every replica of the balancer in this directory runs."""
    replicas = _replicas(directory)
    return bool(replicas) and all(process.running(replica) is not None for replica in replicas)


def stop(directory: Path) -> None:
    """End the balancer; nothing to do when none runs."""
    for replica in _replicas(directory):
        process.stop(replica)


def _replicas(directory: Path) -> list[Path]:
    """The directories of the HAProxy processes, which share the maps in the one above them."""
    return sorted((one.parent for one in directory.glob(f"*/{process.CONFIG}")), key=lambda one: int(one.name))


async def refuse_leaving(leaving: Leaving, now: float) -> None:
    """Refuse the colour's removal while it has weight or clients, or before it has been empty for the soak time.

    Raises:
        Refused: with what it still has.

    """
    colour = leaving.cluster.colour
    router = HaproxyRouter(handle_of(leaving.directory))
    memory, share = await router.memory(), await router.share()
    percent = share_percent(colour, share)
    if percent > 0:
        raise _refusal(
            colour, f"it has {percent:g} % of the share", f"set emqx:live to {other(colour)} and run pulumi up"
        )
    empty_since = drained_at(memory, colour)
    if empty_since is None and origin(memory) is not None:
        raise _refusal(colour, "its clients were not all moved away", "run pulumi up until the cutover is finished")
    await refuse_clients(leaving.cluster, leaving.credentials)
    soaked = now - (empty_since or 0.0)
    if soaked < leaving.soak_seconds:
        seen = f"it has been empty for {soaked:.0f} s, {leaving.soak_seconds:g} s of soak are declared"
        raise _refusal(colour, seen, "wait, or lower emqx:cutover.soakSeconds")


async def refuse_clients(cluster: ClusterHandle, credentials: Credentials) -> None:
    """Refuse when clients are connected to the cluster; one that cannot be reached serves nobody.

    Raises:
        Refused: with their number by node.

    """
    async with ClusterApi(cluster, credentials, patience_seconds=LOOK_SECONDS) as api:
        try:
            live = await api.live_connections()
        except Retryable:
            return
    if sum(live.values()):
        raise _refusal(
            cluster.colour,
            f"clients are connected: {live}",
            f"move them first: set emqx:live to {other(cluster.colour)}",
        )


def _refusal(colour: Colour, seen: str, todo: str) -> Refused:
    return Refused(f"removing {colour}", node=colour, seen=seen, todo=todo)


def _address(wanted: Wanted) -> str:
    kept = wanted.directory / ADDRESS
    if wanted.address is not None:
        return wanted.address
    if kept.exists():
        return kept.read_text().strip()
    with socket.create_server(("127.0.0.1", 0)) as free:
        return f"127.0.0.1:{free.getsockname()[1]}"


def first_share(live: Colour, counts: Mapping[Colour, int]) -> int:
    """Green's share before the first run: all with the only colour, the one with more clients, or the one declared live."""
    return everybody(max(counts, key=lambda colour: (counts[colour], colour == live)))


async def _live_counts(wanted: Wanted, credentials: Mapping[str, Credentials]) -> dict[Colour, int]:
    counts: dict[Colour, int] = {}
    for colour, cluster in wanted.clusters.items():
        async with ClusterApi(cluster, credentials[colour], patience_seconds=LOOK_SECONDS) as api:
            counts[colour] = sum((await api.live_connections()).values())
    return counts


async def _settle(handle: BalancerHandle, wanted: Wanted) -> None:
    """All replicas as the files say; a colour that is alone has everybody, and nothing of the last cutover is remembered."""
    router = HaproxyRouter(handle)
    await router.settle()
    if len(wanted.clusters) == 1:
        await router.set_share(everybody(next(iter(wanted.clusters))))
        await router.remember(dict.fromkeys(CUTOVER))
