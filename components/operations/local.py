"""A cluster of target `local`: lab nodes in a process of their own, at addresses that it keeps."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from components.cutover.words import Colour
from components.emqx.errors import NotNow
from components.emqx.models import ClusterHandle, Credentials
from components.operations import processes

KEY_FILE = "api-keys"
CONTROL_SECONDS = 30.0


@dataclass(frozen=True)
class Wanted:
    """The cluster as it should be; ``network`` is the one it had before, None takes a free one."""

    name: Colour
    version: str
    edition: str
    nodes: int
    proxy_protocol: bool
    max_sessions: int | None
    directory: Path
    network: str | None


def serve(wanted: Wanted, credentials: Credentials, interrupted: Callable[[], None]) -> dict[str, Any]:
    """Start the cluster, or adopt the one that runs in this directory and bring it to the wanted number of nodes.

    Returns:
        ``{"handle": ClusterHandle as JSON, "network": "127.a.b", "pids": [..]}``.

    Raises:
        GaveUp: the process does not become ready; says the last line of its output.

    """
    directory = wanted.directory
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    _write_private(directory / KEY_FILE, f"{credentials.api_key}:{credentials.api_secret}:administrator\n")
    environment = {"EMQX_API_KEY__BOOTSTRAP_FILE": str((directory / KEY_FILE).absolute())}
    if credentials.username and credentials.password:
        environment["EMQX_DASHBOARD__DEFAULT_USERNAME"] = credentials.username
        environment["EMQX_DASHBOARD__DEFAULT_PASSWORD"] = credentials.password
    ready = processes.start(directory, _command(wanted), environment, interrupted=interrupted)
    _scale(ready, wanted)
    ready = processes.running(directory) or ready
    handle = ClusterHandle(
        colour=wanted.name, nodes=ready["nodes"], version=wanted.version, proxy_protocol=wanted.proxy_protocol
    )
    return {"handle": handle.model_dump(mode="json"), "network": ready["network"], "pids": [ready["pid"]]}


def running(directory: Path) -> dict[str, Any] | None:
    """The ready file of the cluster that runs in this directory."""
    return processes.running(directory)


def stop(directory: Path) -> None:
    """End the cluster's process."""
    processes.stop(directory)


def _command(wanted: Wanted) -> list[str]:
    command = [sys.executable, "-m", "lab", "node", "--directory", str(wanted.directory), "--name", wanted.name]
    command += ["--nodes", str(wanted.nodes), "--edition", wanted.edition, "--version", wanted.version]
    command += ["--network", wanted.network or "auto"]
    command += ["--proxy-protocol"] if wanted.proxy_protocol else []
    command += [] if wanted.max_sessions is None else ["--max-sessions", str(wanted.max_sessions)]
    return command


def _scale(ready: dict[str, Any], wanted: Wanted) -> None:
    """Add nodes, or remove the last ones; a node that leaves must have been emptied before."""
    have = len(ready["nodes"])
    for _ in range(have, wanted.nodes):
        _control(ready["control"] + "/nodes", "POST")
    for node in ready["nodes"][wanted.nodes :]:
        _control(f"{ready['control']}/nodes/{node['name']}", "DELETE")


def _control(url: str, method: str) -> None:
    """One call of the lab's control port."""
    try:
        httpx.request(method, url, json={}, timeout=CONTROL_SECONDS).raise_for_status()
    except httpx.HTTPError as failure:
        seen = f"{type(failure).__name__}"
        raise NotNow(f"{method} {url}", node="the lab", seen=seen, todo="run pulumi up again") from None


def _write_private(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        stream.write(text)
