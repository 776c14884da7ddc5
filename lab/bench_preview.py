"""`python -m lab bench-preview`: how long a preview takes beside a live fleet, against a bare Pulumi program's in the same run.

The rule: only the two of one run are held against each other, the quickest of several tries each; a figure over its bound ends with status 1.
Of a large fleet most clients are known to the brokers and have no socket (``lab.node.broker.known``): a preview lists and counts them as any.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, NamedTuple

import typer
from rich.console import Console
from rich.table import Table

from lab.stage import Scene, Stage, told_in_lines
from lab.workspace import Workspace

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
MOST_TIMES, MORE_SECONDS = 2.0, 2.0
TRIES = 3
WITH_SOCKETS = 1_000
"""At most so many devices really connect, through the balancer."""
BARE = '"""A program that does nothing."""\nimport pulumi\n\npulumi.export("nothing", 1)\n'
PROJECT = "name: bare\nruntime: {name: python, options: {virtualenv: .venv}}\nstackConfigDir: stacks\n"


class Measured(NamedTuple):
    """Seconds of the quickest preview, with so many clients connected."""

    clients: int
    bare_seconds: float
    seconds: float

    @property
    def allowed_seconds(self) -> float:
        """Twice the bare one, and two seconds for what is asked of the brokers."""
        return MOST_TIMES * self.bare_seconds + MORE_SECONDS


@app.command()
def bench(
    clients: Annotated[list[int] | None, typer.Option(min=1, help="sizes of the fleet, one after the other")] = None,
) -> None:
    """The table."""
    with told_in_lines("bench-preview"):
        found = [measure(one) for one in clients or (1_000,)]
    table = Table("clients", "bare s", "preview s", "allowed s", "times")
    for one in found:
        times = f"{one.seconds / one.bare_seconds:.2f}"
        table.add_row(
            str(one.clients), f"{one.bare_seconds:.2f}", f"{one.seconds:.2f}", f"{one.allowed_seconds:.2f}", times
        )
    Console(width=100).print(table)
    raise typer.Exit(int(any(one.seconds > one.allowed_seconds for one in found)))


def measure(clients: int) -> Measured:
    """Both previews, beside the same fleet."""
    devices = min(clients, WITH_SOCKETS)
    scene = Scene(clients=devices, edition="ce", publish_interval_seconds=30.0, cutover={"acknowledge": ["sessions"]})
    with (
        tempfile.TemporaryDirectory(prefix="emqx-bench-") as directory,
        Stage(Path(directory) / "stage", scene) as stage,
    ):
        stage.build_blue()
        stage.start_fleet()
        stage.control("blue", "POST", "/known", {"count": clients - devices})
        stage.change()
        plain = bare(Path(directory))
        try:
            return Measured(clients, *best(plain, stage.workspace))
        finally:
            plain.close()


def bare(directory: Path) -> Workspace:
    """A workspace with a program that does nothing."""
    source = directory / "source"
    source.mkdir()
    (source / "Pulumi.yaml").write_text(PROJECT)
    (source / "__main__.py").write_text(BARE)
    return Workspace.create(directory / "bare", source)


def best(*workspaces: Workspace, clock: Callable[[], float] = time.monotonic) -> list[float]:
    """The quickest of some previews of each, in seconds; they take turns, so that a machine that is busy for a while is so for all of them."""
    taken: list[list[float]] = [[] for _ in workspaces]
    for _ in range(TRIES):
        for workspace, seconds in zip(workspaces, taken, strict=True):
            began = clock()
            workspace.preview().good()
            seconds.append(clock() - began)
    return [min(seconds) for seconds in taken]
