"""`python -m lab bench-migration`: users and rules of a 4.4 go to a 5.8 by one `pulumi up`, with devices on it: minutes, memory, and the cutover's ratio.

The rule: memory and ratio are judged, which no other work on the machine changes much; minutes are told. Status 1 where a bound is missed.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from components.report.files import read_fleet, write_report
from components.report.model import Report
from lab.bench import MOST_RATIO, Need, Watch, judge
from lab.stage import Scene, Stage, told_in_lines

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
MOST_MEGABYTES = 500
PORTION = 10_000
SECONDS = 3_600.0
FEWEST_LINKS = ("cutover-export", "cutover-conversion", "cutover-import", "cutover-verification")


class Laden(Stage):
    """A stage whose blue has so many users, each with a rule of its own."""

    def __init__(self, directory: Path, scene: Scene, users: int) -> None:
        """Nothing runs yet."""
        super().__init__(directory, scene)
        self.users = users

    def fill(self, colour: str) -> None:
        """What every colour has, and the users and rules, in lists as the API takes them."""
        super().fill(colour)
        with self.api(colour) as api:
            api.timeout = SECONDS
            for first in range(0, self.users, PORTION):
                names = [f"user-{number:06d}" for number in range(first, min(first + PORTION, self.users))]
                rules = [
                    {"username": name, "topic": f"own/{name}/#", "action": "pub", "access": "allow"} for name in names
                ]
                for path, rows in (
                    ("/auth_username", [{"username": name, "password": name} for name in names]),
                    ("/acl", rules),
                ):
                    answer = api.post(path, json=rows).raise_for_status().json()
                    if answer.get("code") != 0:
                        raise ValueError(f"POST {path}: {str(answer)[:200]}")


@app.command()
def bench(
    users: Annotated[int, typer.Option(min=1)] = 100_000,
    clients: Annotated[int, typer.Option(min=1)] = 1_000,
    rate: Annotated[int, typer.Option(min=1, help="budget, clients per second")] = 100,
) -> None:
    """One upgrade of so many users, and the table."""
    scene = Scene(
        clients=clients,
        budget_per_second=rate,
        edition="ce",
        nodes=1,
        blue="4.4.19",
        green="5.8.9",
        publish_interval_seconds=10.0,
        cutover={"acknowledge": ["conversion", "sessions", "permissions", "retained"]},
    )
    with told_in_lines("bench-migration"):
        report, needs, journal, minutes = measure(scene, users)
    console = Console(width=120)
    console.print(_table(users, report, needs, journal, minutes))
    judge(console, missed(report, needs))


def measure(scene: Scene, users: int) -> tuple[Report, dict[str, Need], list[dict[str, Any]], float]:
    """The report of the upgrade, what processes needed, its journal, and its minutes."""
    with tempfile.TemporaryDirectory(prefix="emqx-bench-") as directory, Laden(Path(directory), scene, users) as stage:
        stage.build_blue()
        stage.start_fleet()
        stage.change()
        watch, began = Watch(stage), time.monotonic()
        watch.over(lambda: stage.workspace.up(seconds=SECONDS)).good()
        minutes = (time.monotonic() - began) / 60
        stage.end_fleet(60.0)
        fleet = read_fleet(stage.fleet_log.with_name("summary.json"), stage.fleet_log)
        report, summary = write_report(stage.work / "journal.jsonl", stage.work / "report", fleet=fleet)
        print(summary, flush=True)
        return report, watch.needs, stage.journal(), minutes


def missed(report: Report, needs: dict[str, Need]) -> list[str]:
    """The bounds that do not hold."""
    megabytes = needs["provider"].resident / 1e6
    twice = report.disconnects is None or report.disconnects.max > 1
    return [
        *([f"ratio {report.ratio} is over {MOST_RATIO}"] if report.ratio is None or report.ratio > MOST_RATIO else []),
        *([f"the provider needs {megabytes:.0f} MB"] if megabytes >= MOST_MEGABYTES else []),
        *(["a device was disconnected twice or refused"] if twice or report.refused_connections else []),
    ]


def _table(users: int, report: Report, needs: dict[str, Need], journal: list[dict[str, Any]], minutes: float) -> Table:
    took = {row["name"]: row["seconds"] for row in journal if row["event"] == "link" and row.get("phase") == "end"}
    table = Table(
        "users and rules", "minutes", *(name.removeprefix("cutover-") for name in FEWEST_LINKS), "provider MB", "ratio"
    )
    table.add_row(
        f"{users:,}",
        f"{minutes:.1f}",
        *(f"{took.get(name, 0.0):.1f} s" for name in FEWEST_LINKS),
        f"{needs['provider'].resident / 1e6:.0f} (below {MOST_MEGABYTES})",
        f"{report.ratio} (at most {MOST_RATIO})",
    )
    return table
