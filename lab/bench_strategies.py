"""`python -m lab bench-strategies`: the strategies and the EMQX Operator's algorithm side by side, with the same fleet and the same rate of each node.

The rule: each row is a whole upgrade of its own, measured by its devices; a figure that misses its bound ends the command with status 1.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer
from rich.console import Console
from rich.table import Table

from components.cutover.evacuation import Evacuation
from components.emqx.models import BalancerHandle, ClusterHandle, Credentials
from components.emqx.registry import cluster_of
from components.ledger.registry import ledger_of
from components.local import balancer as balancing
from components.report.files import read_fleet, write_report
from components.routers.registry import router_of
from components.run.run import SystemClock
from components.strategies import STRATEGIES
from lab.bench import judge
from lab.operator import moving_seconds, replace_nodes
from lab.stage import Scene, Stage, told_in_lines

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
OURS = "same-cluster"
NODES = 3
MOST_RATIO = 1.1
LEAST_TIMES_FASTER = 2.5
BACK_SECONDS = 30.0
WAIT_SECONDS = 1
"""Both waits of an evacuation, ours and the Operator's; its own defaults are 60 s and 10 s for each node."""


class Row(NamedTuple):
    """One upgrade: its name, from the first to the last disconnect, our report's ratio (None: not ours), and the fleet's summary."""

    name: str
    seconds: float
    ratio: float | None
    fleet: dict[str, Any]


@app.command()
def bench_strategies(
    clients: Annotated[int, typer.Option(min=30)] = 2_000,
    node_rate: Annotated[int, typer.Option(min=1, help="clients per second of each old node")] = 100,
) -> None:
    """One upgrade of the same fleet by each strategy and by the Operator's algorithm, and the table."""
    with told_in_lines("bench-strategies"):
        rows = [
            _measured(OURS, _scene(OURS, clients, node_rate), _upgrade),
            _measured("the Operator's", _scene(OURS, clients, node_rate), _operate),
            *(_measured(name, _scene(name, clients, node_rate), _upgrade) for name in STRATEGIES if name != OURS),
        ]
    console = Console(width=120)
    console.print(_table(rows))
    faster = times_faster(rows)
    console.print(f"same-cluster is {faster:.1f} times faster than the Operator's (at least {LEAST_TIMES_FASTER})")
    judge(console, missed(rows))


def times_faster(rows: list[Row]) -> float:
    """How much longer the Operator's way takes than ours, at the same rate of each node."""
    ours, theirs = rows[0].seconds, rows[1].seconds
    return theirs / ours if ours else 0.0


def missed(rows: list[Row]) -> list[str]:
    """The bounds that do not hold."""
    ours, faster = rows[0], times_faster(rows)
    most = ours.fleet["disconnects"]["max"]
    return [
        *([f"ratio {ours.ratio} is over {MOST_RATIO}"] if ours.ratio is None or ours.ratio > MOST_RATIO else []),
        *([f"only {faster:.1f} times faster"] if faster < LEAST_TIMES_FASTER else []),
        *([f"{most} disconnects of a device"] if most > 1 else []),
        *(f"{row.name}: {row.fleet['away']} devices away" for row in rows if row.fleet["away"]),
    ]


def _scene(strategy: str, clients: int, node_rate: int) -> Scene:
    """Every device has a session, so that each one that is lost is counted."""
    return Scene(
        clients=clients,
        budget_per_second=NODES * node_rate,
        edition="ee",
        steps=({"share": 100},),
        nodes=NODES,
        persistent_fraction=1.0,
        publish_interval_seconds=10.0,
        strategy=strategy,
        cutover={
            "acknowledge": ["sessions"],
            "evacuation": {"waitHealthCheckSeconds": WAIT_SECONDS, "waitTakeoverSeconds": WAIT_SECONDS},
        },
    )


def _measured(name: str, scene: Scene, move: Callable[[Stage], None]) -> Row:
    with tempfile.TemporaryDirectory(prefix="emqx-bench-") as directory, Stage(Path(directory), scene) as stage:
        print(f"== {name}: {scene.clients} devices", flush=True)
        stage.build_blue()
        stage.start_fleet()
        move(stage)
        fleet = stage.end_fleet(BACK_SECONDS)
        part = read_fleet(stage.fleet_log.with_name("summary.json"), stage.fleet_log)
        ratio = None
        if move is _upgrade:
            report, text = write_report(stage.work / "journal.jsonl", stage.work / "report", fleet=part)
            ratio = report.ratio
            print(text, flush=True)
        return Row(name, moving_seconds(part.changes), ratio, fleet)


def _upgrade(stage: Stage) -> None:
    stage.change()
    stage.workspace.up(seconds=stage.scene.up_seconds).good()


def _operate(stage: Stage) -> None:
    """Green's nodes join while blue stays live; then the Operator's algorithm in the place of our links."""
    stage.configure("blue", "blue", "green")
    stage.workspace.up(seconds=stage.scene.up_seconds).good()
    old, new = (
        ClusterHandle(colour=colour, nodes=stage.ready(colour)["nodes"], version=version)
        for colour, version in (("blue", stage.scene.blue), ("green", stage.scene.green))
    )
    credentials = Credentials(api_key=f"upgrade-{stage.key_of('blue')}", api_secret=stage.secrets["blue"])
    rate = stage.scene.budget_per_second // NODES
    knobs = Evacuation(
        wait_health_check_seconds=WAIT_SECONDS,
        wait_takeover_seconds=WAIT_SECONDS,
        conn_evict_rate=rate,
        sess_evict_rate=rate,
    )
    asyncio.run(_replace(old, new, balancing.handle_of(stage.work / "balancer"), credentials, knobs))


async def _replace(
    old: ClusterHandle, new: ClusterHandle, balancer: BalancerHandle, credentials: Credentials, knobs: Evacuation
) -> None:
    async with cluster_of(old, credentials, scope="colour") as cluster:
        await replace_nodes(cluster, new, "green", router_of(balancer), ledger_of(balancer), knobs, SystemClock())


def _table(rows: list[Row]) -> Table:
    table = Table("upgrade", "moved s", "ratio", "disconnects", "connected min", "gap max s", "sessions lost", "lost")
    for row in rows:
        fleet = row.fleet
        table.add_row(
            row.name,
            f"{row.seconds:.1f}",
            "-" if row.ratio is None else str(row.ratio),
            f"{fleet['disconnects']['max']} (mean {fleet['disconnects']['mean']:.2f})",
            f"{fleet['connected']['min']} of {fleet['connected']['of']}",
            f"{fleet['gap_seconds']['max'] or 0:.2f}",
            str(fleet["reconnected"]["no_session"]),
            str(fleet["messages"]["lost"]),
        )
    return table
