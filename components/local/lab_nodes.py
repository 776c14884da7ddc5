"""Single nodes of the lab, asked of the process that hosts them: what each runs, stop, start."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from components.cutover.words import Edition
from components.emqx.errors import GaveUp, NotNow
from components.local.control import control, node_url
from components.system.files import replace
from components.system.trusted import authorities

RUNS = "runs.json"
START_SECONDS = 120.0
_ASK_SECONDS = 2.0
_POLL_SECONDS = 0.1


class LabNode(NamedTuple):
    """A node as its host has it: what it runs or ran last, whether it runs, where its data are."""

    version: str
    edition: Edition
    running: bool
    data: Path


def remember(directory: Path, ready: Mapping[str, Any]) -> None:
    """Write down what each node runs, for a start after all of them have died."""
    found = {node["name"]: look(ready, node["name"]) for node in ready["nodes"]}
    replace(directory / RUNS, json.dumps({name: [one.version, one.edition] for name, one in found.items()}))


def remembered(directory: Path) -> dict[str, tuple[str, Edition]]:
    """What each node ran last; nothing where nobody wrote it down."""
    try:
        said = json.loads((directory / RUNS).read_text())
        return {
            str(node): (str(version), "ee" if edition == "ee" else "ce") for node, (version, edition) in said.items()
        }
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def bring_back(
    ready: Mapping[str, Any],
    before: Mapping[str, tuple[str, Edition]],
    license_: str | None,
    interrupted: Callable[[], None],
) -> None:
    """Restart the nodes that did not come back as what they were: a process of the lab starts all of its own with one version."""
    names = {node["name"] for node in ready["nodes"]}
    for node, runs in before.items():
        if node in names and look(ready, node)[:2] != runs:
            stop(ready, node)
            start(ready, node, runs, license_ if runs[1] == "ee" else None, interrupted)


def look(ready: Mapping[str, Any], node: str) -> LabNode:
    """The node of this name.

    Raises:
        NotNow: the host does not answer, or knows none of that name.

    """
    state = control(f"{ready['control']}/state", "GET")
    row = next((one for one in state["nodes"] if one["name"] == node), None)
    if row is None:
        seen = f"its nodes are {', '.join(one['name'] for one in state['nodes'])}"
        raise NotNow(f"looking for {node}", node="the lab", seen=seen, todo="name one of these")
    edition: Edition = "ee" if row["edition"] == "ee" else "ce"
    return LabNode(row["version"], edition, row["state"] != "stopped", Path(row["data"]))


def stand_still(ready: Mapping[str, Any] | None) -> bool:
    """Whether a host is there and says that none of its nodes runs."""
    with suppress(NotNow):
        return ready is not None and not any(look(ready, node["name"]).running for node in ready["nodes"])
    return False


def stop(ready: Mapping[str, Any], node: str) -> None:
    """End the node in order; stopped already is fine."""
    if look(ready, node).running:
        control(node_url(ready, node, "stop"), "POST")


def start(
    ready: Mapping[str, Any],
    node: str,
    runs: tuple[str, Edition],
    license_: str | None,
    interrupted: Callable[[], None],
) -> None:
    """Start the node with this version and edition, and wait until its management API answers.

    Raises:
        GaveUp: it does not boot, or does not answer in time.

    """
    version, edition = runs
    if not look(ready, node).running:
        body = {"version": version, "edition": edition, **({"license": license_} if license_ else {})}
        try:
            control(node_url(ready, node, "start"), "POST", body)
        except NotNow as refused:
            todo = "correct what it says"
            raise GaveUp(f"starting {node}", node=node, seen=refused.seen, todo=todo) from None
    api = next(one["api"] for one in ready["nodes"] if one["name"] == node)
    end, seen = time.monotonic() + START_SECONDS, "nothing"
    while time.monotonic() < end:
        interrupted()
        try:
            status = httpx.get(f"{api}/status", timeout=_ASK_SECONDS, trust_env=False, verify=authorities()).status_code
            if status == httpx.codes.OK:
                return
            seen = f"/status answered {status}"
        except httpx.HTTPError as failure:
            seen = f"/status: {type(failure).__name__}"
        time.sleep(_POLL_SECONDS)
    todo = "look at the output of the lab's process"
    raise GaveUp(f"starting {node}", node=node, seen=f"{seen} after {START_SECONDS:g} s", todo=todo)
