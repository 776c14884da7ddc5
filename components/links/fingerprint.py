"""The configuration of a cluster as its nodes have it, so that whoever changes it in the middle of a roll is noticed.

The rule: only hashes are kept, in a file of the work directory; a node is compared with itself under the same version, since another version has
other defaults.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from components.cutover.words import Colour
from components.emqx.effective import hashes_of
from components.emqx.errors import Refused
from components.links.roll_look import release_of
from components.run.run import Run
from components.system.files import replace

FILE = "roll-fingerprint.json"
MOST_SHOWN = 5


class NodePrint(NamedTuple):
    """What a node runs, and the hash of each value of its configuration by its path."""

    runs: str
    values: Mapping[str, str]


Print = Mapping[str, NodePrint]
"""By node; one that does not run, or does not show its configuration, is missing."""


async def taken(run: Run, colour: Colour) -> Print:
    """The configuration of every running node now."""
    api = run.clusters[colour]
    found: dict[str, NodePrint] = {}
    for facts in await api.nodes():
        release = release_of(facts)
        if facts.name not in api.node_names or release is None:
            continue
        text = await api.configs_text(facts.name)
        values = None if text is None else await asyncio.to_thread(hashes_of, text)
        if values is not None:
            found[facts.name] = NodePrint(str(release), {".".join(map(str, path)): one for path, one in values.items()})
    return found


def changed(before: Print, now: Print) -> dict[str, list[str]]:
    """The paths that have another value than before, or are new or gone, by node."""
    found: dict[str, list[str]] = {}
    for node, was in before.items():
        here = now.get(node)
        if here is not None and here.runs == was.runs:
            paths = sorted(p for p in was.values.keys() | here.values.keys() if was.values.get(p) != here.values.get(p))
            if paths:
                found[node] = paths
    return found


async def refuse_changed(run: Run, colour: Colour, work_directory: Path) -> None:
    """Compare with what this run saw last, and remember what is seen now.

    Raises:
        Refused: somebody changed the configuration; says what, and on which node.

    """
    place, now = work_directory / FILE, await taken(run, colour)
    before = _read(place, run.token)
    differing = changed(before, now)
    _write(place, run.token, {**before, **now})
    if differing:
        run.record("fact", section="configuration changed", nodes=differing)
        shown = "; ".join(f"{node}: {_some(paths)}" for node, paths in sorted(differing.items()))
        raise Refused(
            f"rolling {colour}",
            node=next(iter(sorted(differing))),
            seen=f"the configuration was changed from outside since the node before: {shown}",
            todo="let nobody change the configuration during a roll; see that it is what you want, then run pulumi up again, which goes on",
        )


def _some(paths: list[str]) -> str:
    more = f" and {len(paths) - MOST_SHOWN} more" if len(paths) > MOST_SHOWN else ""
    return ", ".join(paths[:MOST_SHOWN]) + more


def _read(place: Path, token: str) -> dict[str, NodePrint]:
    """What this run wrote; nothing of another one."""
    try:
        said = json.loads(place.read_text())
        if said["run"] != token:
            return {}
        return {node: NodePrint(one["runs"], one["values"]) for node, one in said["nodes"].items()}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _write(place: Path, token: str, found: Print) -> None:
    replace(place, json.dumps({"run": token, "nodes": {node: one._asdict() for node, one in found.items()}}))
