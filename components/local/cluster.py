"""A cluster of target `local`: lab nodes in a process of their own, or a real release; at addresses that it keeps."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from components.cutover.licence import read
from components.cutover.words import Colour, other
from components.emqx import fewer
from components.emqx.errors import Refused
from components.emqx.known import known
from components.emqx.models import ClusterHandle, Credentials, KeeperHandle
from components.emqx.registry import cluster_of
from components.local import lab_nodes, processes, release_processes
from components.local.control import control, node_url
from components.local.wanted import Wanted
from components.system.files import replace

KEY_FILE, ETC = "api-keys", "etc"


def place(work_directory: str, colour: Colour) -> Path:
    """Where the colour's processes keep their files."""
    return Path(work_directory) / "clusters" / colour


def place_of(wanted: Wanted, colour: Colour) -> Path:
    """Where the processes of another colour of the same work directory keep their files."""
    return wanted.directory.with_name(colour)


def serve(wanted: Wanted, credentials: Credentials, interrupted: Callable[[], None]) -> dict[str, Any]:
    """Start the cluster, or adopt the one that runs in this directory and bring it to the wanted number of nodes.

    Returns:
        ``{"handle": ClusterHandle as JSON, "network": "127.a.b", "pids": [..]}``.

    Raises:
        GaveUp: a process does not become ready; says the last line of its output.
        BadInput: ``emqx_home`` is not what it should be.
        Refused: another version runs here, which no state knows of.

    """
    with processes.one_start(wanted.directory, interrupted):
        keys = (wanted.directory / KEY_FILE).absolute()
        replace(keys, f"{credentials.api_key}:{credentials.api_secret}:administrator\n")
        _lay_down(wanted)
        if wanted.emqx_home is None:
            ready = _serve_lab(wanted, keys, credentials, interrupted)
        else:
            ready = release_processes.serve(wanted, wanted.emqx_home, keys, credentials, interrupted)
    handle = ClusterHandle(
        colour=wanted.name,
        nodes=ready["nodes"],
        version=wanted.version,
        edition="ee" if wanted.edition == "ee" else "ce",
        proxy_protocol=wanted.proxy_protocol,
        keeper=keeper_handle(wanted.directory, wanted.emqx_home),
    )
    return {"handle": handle.model_dump(mode="json"), "network": ready["network"], "pids": ready["pids"]}


def _lay_down(wanted: Wanted) -> None:
    """Files that are there already are the nodes' own by now."""
    for name, text in wanted.files.items():
        path = wanted.directory / ETC / name
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            replace(path, text)


def keeper_handle(directory: Path, emqx_home: str | None) -> KeeperHandle:
    """Who keeps the nodes of this directory."""
    kind = "lab" if emqx_home is None else "local"
    return KeeperHandle(kind=kind, place=str(directory.absolute()), release=emqx_home)


def running(directory: Path) -> dict[str, Any] | None:
    """``nodes`` and ``network`` of the cluster that runs in this directory, at least with one node."""
    return processes.running(directory) or release_processes.running(directory)


def lives(directory: Path, pids: Sequence[int]) -> bool:
    """Whether the cluster of this directory runs, also when its files were moved away: then by the processes of the last update."""
    return running(directory) is not None or any(processes.is_ours(int(pid), directory) for pid in pids)


def complete(directory: Path) -> bool:
    """Whether the whole cluster runs."""
    return processes.running(directory) is not None or release_processes.complete(directory)


def stop(directory: Path) -> None:
    """End the cluster's processes."""
    processes.stop(directory)
    release_processes.stop(directory)


def remove(directory: Path, now: datetime) -> Path | None:
    """End the cluster's processes and move what they wrote aside, so that the next cluster of this colour begins empty.

    Only what was moved last is kept, beside the directory; it has no API keys any more.

    Returns:
        Where it is now; None when there was nothing.

    """
    stop(directory)
    if not directory.exists():
        return None
    aside = directory.with_name(f"{directory.name}.{now:%Y-%m-%dT%H-%M-%S}")
    for before in directory.parent.glob(f"{directory.name}.*"):
        shutil.rmtree(before, ignore_errors=True)
    (directory / KEY_FILE).unlink(missing_ok=True)
    return directory.rename(aside)


async def refuse_fewer(colour: Colour, version: str, directory: Path, nodes: int, credentials: Credentials) -> None:
    """Refuse to take nodes away that have clients.

    Raises:
        Refused: with their clients by node.
        Retryable: the cluster cannot say.

    """
    ready = running(directory)
    if ready is None or len(ready["nodes"]) <= nodes:
        return
    await fewer.refuse_fewer(ClusterHandle(colour=colour, nodes=ready["nodes"], version=version), nodes, credentials)


async def refuse_served(colour: Colour, version: str, directory: Path, credentials: Credentials) -> None:
    """Refuse to end a cluster that has clients; one that does not answer has been judged by its guard.

    Raises:
        Refused: with their number by node.

    """
    ready = running(directory)
    if ready is None or lab_nodes.stand_still(processes.running(directory)):
        return
    handle = ClusterHandle(colour=colour, nodes=ready["nodes"], version=version)
    async with cluster_of(handle, credentials) as api:
        live = await known(api.live_connections())
    busy = {name: count for name, count in (live or {}).items() if count}
    if busy:
        raise Refused(
            f"ending {colour}",
            node=colour,
            seen=f"clients are connected: {busy}",
            todo=f"declare it as it was, set emqx:live to {other(colour)}, and remove it when its clients have left",
        )


def _serve_lab(wanted: Wanted, keys: Path, credentials: Credentials, interrupted: Callable[[], None]) -> dict[str, Any]:
    environment = {"EMQX_API_KEY__BOOTSTRAP_FILE": str(keys)}
    if credentials.username and credentials.password:
        environment["EMQX_DASHBOARD__DEFAULT_USERNAME"] = credentials.username
        environment["EMQX_DASHBOARD__DEFAULT_PASSWORD"] = credentials.password
    ran = processes.running(wanted.directory) is not None
    before = lab_nodes.remembered(wanted.directory) if wanted.in_place else {}
    ready = processes.start(wanted.directory, _command(wanted, credentials), environment, interrupted=interrupted)
    if before and not ran:
        lab_nodes.bring_back(ready, before, credentials.license, interrupted)
    found = (lab_nodes.look(ready, node["name"]) for node in ready["nodes"])
    runs = " and ".join(sorted({f"{one.version} ({one.edition})" for one in found}))
    declared = f"{wanted.version} ({wanted.edition})"
    if declared != runs and not wanted.in_place:
        todo = f"declare {runs}, or end process {ready['pid']} and remove {wanted.directory}"
        raise Refused(f"starting {declared}", node=str(wanted.directory), seen=f"{runs} runs there", todo=todo)
    _scale(ready, wanted)
    ready = processes.running(wanted.directory) or ready
    lab_nodes.remember(wanted.directory, ready)
    return {**ready, "pids": [ready["pid"]]}


def _command(wanted: Wanted, credentials: Credentials) -> list[str]:
    command = [sys.executable, "-m", "lab", "node", "--directory", str(wanted.directory), "--name", wanted.name]
    command += ["--nodes", str(wanted.nodes), "--edition", wanted.edition, "--version", wanted.version]
    command += ["--network", wanted.network or "auto"]
    there = None if wanted.beside is None else processes.running(place_of(wanted, wanted.beside.colour))
    command += [] if there is None else ["--join", there["control"]]
    command += ["--websocket", *(["--proxy-protocol"] if wanted.proxy_protocol else [])]
    sessions = wanted.max_sessions
    if credentials.license and wanted.edition == "ee":
        sessions = read(credentials.license).sessions
    command += [] if sessions is None else ["--max-sessions", str(sessions)]
    return command


def _scale(ready: dict[str, Any], wanted: Wanted) -> None:
    """Add nodes, or remove the last ones; a node that leaves must have been emptied before."""
    have = len(ready["nodes"])
    for _ in range(have, wanted.nodes):
        control(ready["control"] + "/nodes", "POST", {"of": wanted.name})
    for node in ready["nodes"][wanted.nodes :]:
        control(node_url(ready, node["name"]), "DELETE")
