"""``python -m lab node``: one EMQX cluster in the foreground until SIGTERM.

The rule: everything that must go wrong at once does so here, before ``ready.json`` says that the cluster serves.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

import typer

from lab.node.api.host import Settings
from lab.node.archive.backup import numbers
from lab.node.kept.terms import sessions_of
from lab.node.lifeline import live
from lab.node.network import LOOPBACK_6
from lab.node.v4.line import line_of

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
MOST_NODES = 253


def played(version: str) -> str:
    """The version, where the node behaves as it does; there are recordings of 4.2 to 4.4, and from 5.8 on."""
    try:
        line = numbers(version)[:2]
    except ValueError as error:
        raise typer.BadParameter(f"{error}; give one like 5.8.11") from None
    if line_of(version) is None and not (5, 8) <= line < (6, 0):
        raise typer.BadParameter(f"{version} is not played; give one of 4.2, 4.3, 4.4, 5.8 or a later 5.x")
    return version


def licensed(asked: int, edition: str) -> int:
    """The sessions of the licence whose key stands in the environment, or else as many as were asked for.

    Raises:
        OSError: the key is none: the node does not start.

    """
    key = os.environ.get("EMQX_LICENSE__KEY", "")
    try:
        return sessions_of(key) if key and edition == "ee" else asked
    except ValueError as error:
        raise OSError(f"{error}; the node does not start") from None


NETWORK = "127.a.b, auto for an unused one, or ::1 (one node, free ports)"
SESSIONS = "of the licence, unless EMQX_LICENSE__KEY is set; 0 is unlimited"
SEEDS = "names to look for, by commas; none (empty) waits for an invitation"


@app.command()
def node(
    directory: Annotated[Path, typer.Option(help="where ready.json and the data live")],
    name: Annotated[str, typer.Option(help="the cluster's name")] = "blue",
    nodes: Annotated[int, typer.Option(min=1, max=MOST_NODES)] = 3,
    edition: Annotated[Literal["ee", "ce"], typer.Option(help="Enterprise or open source")] = "ee",
    version: Annotated[str, typer.Option(callback=played, help="of 4.2 to 4.4, or 5.8 or a later 5.x")] = "5.8.11",
    network: Annotated[str, typer.Option(help=NETWORK)] = "auto",
    proxy_protocol: Annotated[bool, typer.Option("--proxy-protocol")] = False,
    websocket: Annotated[bool, typer.Option("--websocket", help="open ws:default at 8083 too")] = False,
    max_sessions: Annotated[int, typer.Option(min=0, help=SESSIONS)] = 25,
    boot_delays: Annotated[bool, typer.Option("--boot-delays", help="boot as slowly as recorded")] = False,
    boot_factor: Annotated[float, typer.Option(min=0.0, help="scales the boot delays")] = 1.0,
    import_rate: Annotated[float, typer.Option(min=0.0, help="retained messages indexed a second; 0 is at once")] = 0.0,
    wall_seconds: Annotated[float, typer.Option(min=0.1, help="silence after which a connection is closed")] = 60.0,
    seeds: Annotated[str | None, typer.Option(help=SEEDS)] = None,
    cookie: Annotated[str, typer.Option(help="nodes with another one never meet")] = "emqxsecretcookie",
    join: Annotated[str | None, typer.Option(help="control address of the cluster that its nodes are to join")] = None,
) -> None:
    """An EMQX cluster, or more nodes of one, until SIGTERM."""
    if network == LOOPBACK_6 and nodes != 1:
        raise typer.BadParameter(f"{network} is one address: give --nodes 1", param_hint="--network")
    if network == LOOPBACK_6 and line_of(version) is not None:
        raise typer.BadParameter(f"{version} has the ports of its files: give 127.a.b, or auto", param_hint="--network")
    settings = Settings(
        directory=directory.resolve(),
        name=name,
        nodes=nodes,
        edition=edition,
        version=version,
        network=network,
        proxy_protocol=proxy_protocol,
        websocket=websocket,
        max_sessions=licensed(max_sessions, edition),
        boot_factor=boot_factor if boot_delays else 0.0,
        import_rate=import_rate,
        wall_seconds=wall_seconds,
        cookie=cookie,
        seeds=None if seeds is None else tuple(name for name in seeds.split(",") if name),
    )
    settings.directory.mkdir(parents=True, exist_ok=True)
    raise SystemExit(live(settings, join))
