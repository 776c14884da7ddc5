"""``python -m components.keepers restore DIRECTORY``: put the copy of a node back where it was taken.

The rule: a node that runs keeps its data, nothing is put back that is not what the manifest says, and nothing that would not start: a node that was
stopped while others ran on waits for one of them (recording D5_restore_backup_ce_5.8.8).
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from components.emqx.errors import Refused, UpgradeError
from components.keepers.archived import verified
from components.keepers.copies import Manifest, manifest_of, restore
from components.local import lab_nodes, processes, release_processes
from components.local.control import node_url
from components.system.command import CommandFailed, output_of
from components.system.ports import listens

RESTORE_SECONDS = 3_600.0

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.callback()
def _commands() -> None:
    """Copies of nodes."""


@app.command("restore")
def restore_command(
    directory: Annotated[Path, typer.Argument(help="the copy, with its manifest.json")],
    all_stopped: Annotated[
        bool, typer.Option("--all-stopped", help="no node of its cluster runs, and all get copies of one moment")
    ] = False,
) -> None:
    """Put the copy back; what lies there now is moved aside."""
    try:
        manifest = manifest_of(directory)
        if manifest.elsewhere:
            raise _kept_elsewhere(manifest)
        if manifest.restore:
            asyncio.run(_handed_back(directory, manifest))
        else:
            _refuse_running(Path(manifest.cluster), manifest.node)
            if not all_stopped:
                _refuse_alone(Path(manifest.cluster), manifest.node)
            restore(directory)
    except UpgradeError as failure:
        typer.echo(str(failure), err=True)
        raise typer.Exit(1) from None
    places = ", ".join(manifest.belongs.values()) or f"{len(manifest.files)} files, by {manifest.restore[0]}"
    typer.echo(f"{manifest.node} has the data of {manifest.version} ({manifest.edition}) again: {places}")
    if manifest.belongs:
        typer.echo("what was there lies beside it, as *.aside-N")


def _kept_elsewhere(manifest: Manifest) -> Refused:
    """A snapshot is put back where its volume is."""
    kept = ", ".join(one.path for one in manifest.files)
    todo = "put it back as docs/kubernetes.md#copies and docs/aws.md say" + (
        f", beginning with: {' '.join(manifest.restore)}" if manifest.restore else ""
    )
    return Refused(
        "restoring a copy", node=manifest.node, seen=f"it is {kept}, with whoever keeps the volumes", todo=todo
    )


async def _handed_back(directory: Path, manifest: Manifest) -> None:
    """The archive goes to the owner's command; the node must not run, which that command sees by itself where the node has no address here."""
    api = manifest.cluster.partition("://")[2].rstrip("/")
    if api and await listens(api):
        raise Refused("restoring a copy", node=manifest.node, seen=f"it listens at {api}", todo="stop it first")
    try:
        await output_of(manifest.restore, limit_seconds=RESTORE_SECONDS, given=verified(directory, manifest))
    except CommandFailed as failure:
        seen = str(failure)
    else:
        return
    todo = "see what that command has left there, then run this again"
    raise Refused("restoring a copy", node=manifest.node, seen=seen, todo=todo)


def _refuse_running(cluster: Path, node: str) -> None:
    """The node must not run."""
    for place in release_processes.described(cluster):
        pid = release_processes.pid_of(place) if place.node.name == node else None
        if pid is not None:
            seen, todo = f"it runs as process {pid}", f"stop it first: kill {pid}"
            raise Refused("restoring a copy", node=node, seen=seen, todo=todo)
    ready = processes.running(cluster)
    if ready is not None and lab_nodes.look(ready, node).running:
        todo = f"stop it first: curl -X POST {node_url(ready, node, 'stop')}"
        raise Refused("restoring a copy", node=node, seen="it runs in the lab", todo=todo)


def _refuse_alone(cluster: Path, node: str) -> None:
    """Another node of its cluster must run, where it has others."""
    runs = {
        place.node.name: release_processes.pid_of(place) is not None for place in release_processes.described(cluster)
    }
    ready = processes.running(cluster)
    if ready is None:
        runs = runs or dict.fromkeys(lab_nodes.remembered(cluster), False)
    else:
        runs |= {one["name"]: lab_nodes.look(ready, one["name"]).running for one in ready["nodes"]}
    others = sorted(name for name in runs if name != node)
    if others and not any(runs[name] for name in others):
        seen = f"none of {', '.join(others)} runs: it would wait for their tables and serve nobody, and copies of different moments do not fit together"
        todo = "start one of them first; where all are lost, begin with an empty cluster and import the export of that update; --all-stopped, if the copies of all nodes are of one moment"
        raise Refused("restoring a copy", node=node, seen=seen, todo=todo)


if __name__ == "__main__":
    app()
