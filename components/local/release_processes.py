"""The processes of a real release: started in a session of their own, found again by pid file, waited for, ended; scaled one by one.

The rule: a process is ours only when its environment names the data directory that is ours; a pid alone proves nothing.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random
from typing import Any

import httpx

from components.emqx.errors import BadInput, GaveUp
from components.emqx.models import ClusterHandle, Credentials
from components.emqx.registry import cluster_of
from components.local import processes, release
from components.local.release import Common, Place, Release
from components.local.wanted import Wanted
from components.system import detached, living
from components.system.files import own_directory, replace
from components.system.trusted import authorities

START_SECONDS = 180.0
END_SECONDS = 60.0
"""A node that has sessions to hand over takes its time after SIGTERM; killed before, it loses what it has not written."""

_ASK_SECONDS = 2.0
_POLL_SECONDS = 0.1


def serve(
    wanted: Wanted, home: str, keys: Path, credentials: Credentials, interrupted: Callable[[], None]
) -> dict[str, Any]:
    """Start the nodes that do not run, wait until all serve, and take those away that are too many.

    Args:
        wanted: the cluster as it should be.
        home: the release.
        keys: the file of API keys that the nodes read when they boot.
        credentials: the same key, for removing a node; and the dashboard's user.
        interrupted: raises when the engine wants us to stop.

    Returns:
        ``{"nodes": [Node as JSON], "network": "127.a.b", "pids": [..]}``.

    Raises:
        BadInput: no release, or another version or edition than declared.
        GaveUp: a node does not serve in time; says what was seen last and the last line of its output.

    """
    found = _declared(wanted, home)
    directory = wanted.directory.resolve()
    release.require_plain(directory)
    before = described(directory)
    network = wanted.network or (before[0].network if before else release.free_network(Random(), wanted.nodes))
    places = [Place(directory, network, number + 1) for number in range(wanted.nodes)]
    if wanted.beside is not None:
        release.adopt_cookie(directory, directory.with_name(wanted.beside.colour))
    common = common_of(places, keys, credentials, proxy_protocol=wanted.proxy_protocol, beside=wanted.beside)
    _describe(directory, network, max(wanted.nodes, len(before)))
    _start(_releases(wanted, found, places), common, interrupted)
    for place in before[wanted.nodes :]:
        _take_away(place, places[0], wanted, credentials)
    _describe(directory, network, wanted.nodes)
    return _facts(places)


def running(directory: Path) -> dict[str, Any] | None:
    """As ``serve`` returns it when any node runs; ``pids`` are those that do."""
    facts = _facts(described(directory.resolve()))
    return facts if facts["pids"] else None


def complete(directory: Path) -> bool:
    """Whether every node runs."""
    places = described(directory.resolve())
    return bool(places) and all(map(pid_of, places))


def stop(directory: Path, limit_seconds: float = END_SECONDS) -> None:
    """End all nodes, at the same time; gone already is success. Their data stays."""
    _end(described(directory.resolve()), limit_seconds)


def start_node(found: Release, place: Place, common: Common, interrupted: Callable[[], None]) -> None:
    """Start one node of a cluster, or wait for it where it runs already.

    Raises:
        GaveUp: it does not serve in time; ended again, with the last line of its output.

    """
    _start({place: found}, common, interrupted)


def stop_node(place: Place, limit_seconds: float = END_SECONDS) -> None:
    """End one node in order; gone already is success."""
    _end([place], limit_seconds)


def common_of(
    places: Sequence[Place],
    keys: Path,
    credentials: Credentials,
    *,
    proxy_protocol: bool,
    beside: ClusterHandle | None = None,
) -> Common:
    """What the nodes at these places share.

    The nodes of the cluster that they join (``beside``) are seeds of this start only: a node that restarts with the name of one that has left
    joins that one, and everything is lost (recording G1_offline_sessions_by_takeover_and_seeds_trap).
    """
    directory = places[0].directory
    theirs = () if beside is None else tuple(node.name for node in beside.nodes)
    return Common(
        seeds=(*theirs, *(place.node.name for place in places)),
        proxy_protocol=proxy_protocol,
        keys=keys.resolve(),
        own_address=release.own_address_library(directory),
        cookie=release.cookie(directory),
        credentials=credentials,
    )


def _declared(wanted: Wanted, home: str) -> Release:
    """The release, which must be what the stack says (settings has looked too, maybe on another machine)."""
    found = Release.read(home)
    for name, declared, allowed in found.differs(wanted.version, wanted.edition):
        raise BadInput(
            f"starting {wanted.name}", node=home, seen=f"{name} {declared}", todo=f"declare {name} {allowed}"
        )
    return found


@contextmanager
def _held(network: str) -> Iterator[tuple[int, ...]]:
    """A lock on the network, to be handed to the nodes so that it lasts as long as any of them; nothing when they hold it already."""
    with socket.socket() as lock:
        try:
            lock.bind((f"{network}.{release.LOCK[0]}", release.LOCK[1]))
        except OSError:
            yield ()
        else:
            yield (lock.fileno(),)


def _releases(wanted: Wanted, declared: Release, places: Sequence[Place]) -> dict[Place, Release]:
    """With what each node is started: the declared release, or in place the one that it had; the node of a roll is the roll's."""
    if not wanted.in_place:
        return dict.fromkeys(places, declared)
    return {place: release.last_of(place) or declared for place in places if place.node.name != wanted.in_work}


def _start(places: Mapping[Place, Release], common: Common, interrupted: Callable[[], None]) -> None:
    """Start what does not run, all at once since nodes with static discovery wait for each other; then wait for each."""
    started: list[Place] = []
    if not places:
        return
    try:
        with _held(next(iter(places)).network) as lock:
            for place, found in places.items():
                if pid_of(place) is None:
                    started.append(place)
                    _launch(found, place, common, lock)
        for place in places:
            _wait(place, interrupted)
    except BaseException:
        _end(started, 0.0)
        raise


def _launch(found: Release, place: Place, common: Common, lock: tuple[int, ...]) -> None:
    for directory in (place.data, place.home / "log"):
        own_directory(directory)
    release.remember(place, found)
    detached.launch(
        [str(found.home / "bin" / "emqx"), "foreground"],
        directory=Path.cwd(),
        output=place.home / "output.log",
        pid_file=place.home / "pid",
        environment=release.environment(place, common, os.environ),
        descriptors=lock,
    )


def _wait(place: Place, interrupted: Callable[[], None]) -> None:
    """Until the node answers 200 at ``/status``, which is not yet ready (docs/emqx/cluster.md#ready) but can be asked.

    Raises:
        GaveUp: the process ended, or ``START_SECONDS`` passed.

    """
    end, seen, alive = time.monotonic() + START_SECONDS, "nothing", True
    while alive and time.monotonic() < end:
        interrupted()
        alive = pid_of(place) is not None
        try:
            status = httpx.get(
                f"{place.node.api}/status", timeout=_ASK_SECONDS, trust_env=False, verify=authorities()
            ).status_code
            if alive and status == httpx.codes.OK:
                return
            seen = f"/status answered {status}"
        except httpx.HTTPError as failure:
            seen = f"/status: {type(failure).__name__}"
        time.sleep(_POLL_SECONDS)
    raise GaveUp(
        f"starting {place.node.name}",
        node=str(place.home),
        seen=f"{f'{seen} after {START_SECONDS:g} s' if alive else 'the process ended'}, last output: {processes.last_line(place.home)}",
        todo=f"read {place.home / 'output.log'} and {place.home / 'log'}",
    )


def _take_away(place: Place, remaining: Place, wanted: Wanted, credentials: Credentials) -> None:
    """End a node and make the cluster forget it; its copy of the data goes, since a node that left cannot come back with it.

    Raises:
        Retryable: the cluster did not forget it; the next `up` tries again.

    """
    _end([place], END_SECONDS)
    handle = ClusterHandle(colour=wanted.name, nodes=(remaining.node,), version=wanted.version)
    asyncio.run(_forget(handle, place.node.name, credentials))
    shutil.rmtree(place.data, ignore_errors=True)


async def _forget(handle: ClusterHandle, name: str, credentials: Credentials) -> None:
    async with cluster_of(handle, credentials) as cluster:
        await cluster.force_leave(name)


def _end(places: Sequence[Place], limit_seconds: float) -> None:
    """End the nodes at the same time, and the pid files go."""
    detached.end([pid for place in places if (pid := pid_of(place)) is not None], limit_seconds)
    for place in places:
        (place.home / "pid").unlink(missing_ok=True)


def pid_of(place: Place) -> int | None:
    """The pid of the node's process if it lives."""

    def ours(pid: int) -> bool:
        with suppress(OSError):
            return f"EMQX_NODE__DATA_DIR={place.data}".encode() in living.environment(pid)
        return False

    return detached.found(place.home / "pid", ours)


def _describe(directory: Path, network: str, nodes: int) -> None:
    replace(directory / "release.json", json.dumps({"network": network, "nodes": nodes}))


def described(directory: Path) -> list[Place]:
    """The nodes that the directory had last."""
    try:
        said = json.loads((directory / "release.json").read_text())
        return [Place(directory, said["network"], number + 1) for number in range(said["nodes"])]
    except (OSError, ValueError, KeyError):
        return []


def _facts(places: Sequence[Place]) -> dict[str, Any]:
    return {
        "nodes": [place.node.model_dump(mode="json") for place in places],
        "network": places[0].network if places else "",
        "pids": [pid for place in places if (pid := pid_of(place)) is not None],
    }
