"""Before the data of an old colour are touched: the files of its nodes and the configuration that the stack names, copied with sizes and sha256.

Rule: a copy is whole or not there, readable by its owner alone, and what nobody reaches is said. Nothing is put back from it by itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from components.cutover.words import Colour
from components.keepers.base import Copied, CopiesRunning
from components.keepers.copies import WHILE_IT_RAN, Manifest, Source, copy
from components.keepers.registry import keeper_of
from components.run.run import Run
from components.value import Value

CONFIGURATION = "configuration"


class NodesCopied(Value):
    """What was copied, by node (``configuration`` for what the stack names): where it lies, how many files and bytes; ``unreached`` are nodes that nobody keeps."""

    copies: dict[str, tuple[str, int, int]]
    unreached: tuple[str, ...]
    seconds: float


async def copy_nodes(run: Run, source: Colour, directory: Path, configuration: Sequence[str]) -> NodesCopied:
    """Copy them below ``directory``, in a directory of this run.

    Raises:
        Refused, GaveUp, OSError: as the keeper of the nodes says.

    """
    began, blue = run.clock.now(), run.clusters[source]
    place = directory / "nodes" / f"{source}-{run.token[:12]}"
    made: dict[str, Copied] = {}
    if configuration:
        made[CONFIGURATION] = await asyncio.to_thread(_configuration, source, blue.handle.version, place, configuration)
    keeper: object = keeper_of(blue.handle, interrupted=run.interrupted)
    reached: tuple[str, ...] = ()
    if isinstance(keeper, CopiesRunning):
        reached = blue.node_names
        for node in reached:
            await run.checkpoint()
            made[node] = await keeper.copy_running(node, place / node)
            run.progress(f"copied {made[node].files} files of {node} ({made[node].size} bytes)")
    result = NodesCopied(
        copies={name: (str(one.place), one.files, one.size) for name, one in made.items()},
        unreached=() if reached else blue.node_names,
        seconds=round(run.clock.now() - began, 3),
    )
    run.record("fact", section="node copies", colour=source, **result.model_dump(mode="json"))
    if result.unreached:
        run.warn(f"the data directories of {', '.join(result.unreached)} are not reached: of them the export is kept")
    return result


def _configuration(source: Colour, version: str, place: Path, configuration: Sequence[str]) -> Copied:
    """Files and directories by their number and name, since two may have one name."""
    paths = [Path(one).expanduser().absolute() for one in configuration]
    about = Manifest(
        node=CONFIGURATION, cluster=source, version=version, edition=None, belongs={}, files=(), alone=WHILE_IT_RAN
    )
    named = {f"{number}-{path.name}": path for number, path in enumerate(paths, 1)}
    return copy(place / CONFIGURATION, about, Source(named, back=()), running=True)
