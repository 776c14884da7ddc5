"""`python -m lab bench-aws`: a cutover behind a Network Load Balancer at two sizes, and what it asked of AWS.

The rule: what an update calls does not grow with its clients; a figure that misses its bound ends the command with status 1.
"""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from pathlib import Path
from typing import Annotated, NamedTuple

import typer
from rich.console import Console
from rich.table import Table

from lab.aws.cloud import Cloud
from lab.aws.stage import AwsStage, at
from lab.bench import Measured, figures, judge, told, unclean
from lab.stage import Scene, told_in_lines

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
MOST_RATIO, MOST_GROWTH = 1.15, 1.2
"""Of the time over clients/budget, and of the calls of the larger update over those of the smaller: what is asked again while it waits may differ a little."""


class Asked(NamedTuple):
    """One cutover, and how often each action of AWS was called by the update."""

    measured: Measured
    calls: Counter[str]


@app.command()
def bench(
    small: Annotated[int, typer.Option(min=1)] = 200,
    clients: Annotated[int, typer.Option(min=1)] = 2_000,
    rate: Annotated[int, typer.Option(min=1, help="budget, clients per second")] = 100,
) -> None:
    """Two cutovers of different size, and the tables."""
    if small >= clients:
        raise typer.BadParameter(f"{small} is no smaller than {clients}", param_hint="--small")
    with told_in_lines("bench-aws"), tempfile.TemporaryDirectory(prefix="emqx-bench-aws-") as directory:
        cloud = Cloud.of(Path(directory) / "account", os.getpid())
        try:
            found = [measure(cloud, Path(directory), count, rate) for count in (small, clients)]
        finally:
            cloud.end()
    console = Console(width=120)
    console.print(figures([one.measured for one in found]))
    console.print(_calls(found))
    judge(console, missed(*found))


def missed(less: Asked, more: Asked) -> list[str]:
    """The bounds that do not hold."""
    ratio = more.measured.report.ratio
    few, many = less.calls.total(), more.calls.total()
    return [
        *([f"ratio {ratio} is over {MOST_RATIO}"] if ratio is None or ratio > MOST_RATIO else []),
        *([f"{many} calls of AWS, {few} with fewer clients"] if many > MOST_GROWTH * few else []),
        *unclean((less.measured, more.measured)),
    ]


def measure(cloud: Cloud, directory: Path, clients: int, rate: int) -> Asked:
    """One cutover with so many devices."""
    scene = Scene(
        clients=clients,
        budget_per_second=rate,
        edition="ce",
        nodes=2,
        steps=({"share": 10}, {"share": 100}),
        publish_interval_seconds=10.0,
    )
    place = directory / str(clients)
    with at(cloud, place), AwsStage(place, scene, cloud, f"bench-{clients}") as stage:
        stage.build_blue()
        stage.start_fleet()
        stage.change()
        before = cloud.calls()
        stage.workspace.up(seconds=scene.up_seconds).good()
        calls = cloud.calls() - before
        return Asked(Measured(clients, told(stage), {}), calls)


def _calls(found: list[Asked]) -> Table:
    table = Table("calls of AWS by the update", *(f"{one.measured.clients} clients" for one in found))
    for action in sorted(set().union(*(one.calls for one in found))):
        table.add_row(action, *(str(one.calls[action]) for one in found))
    table.add_row("all", *(str(one.calls.total()) for one in found))
    return table
