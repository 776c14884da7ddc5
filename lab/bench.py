"""`python -m lab bench`: the figures of a cutover at two sizes, as ratios within one run, with what each process needed.

The rule: nothing is judged by the clock of the wall; a figure that misses its bound ends the command with status 1.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, NamedTuple, NoReturn, TypeVar

import psutil
import typer
from rich.console import Console
from rich.table import Table

from components.report.files import read_fleet, write_report
from components.report.model import Report
from lab.fleet.shown import KindsOption
from lab.stage import Scene, Stage, told_in_lines

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
MOST_RATIO = 1.1
MOST_BYTES_A_CLIENT = 100
SAMPLE_SECONDS = 0.1
T = TypeVar("T")


class Need(NamedTuple):
    """What one kind of process needed at most: resident bytes, and processor seconds."""

    resident: int = 0
    processor_seconds: float = 0.0


class Measured(NamedTuple):
    """One cutover."""

    clients: int
    report: Report
    needs: dict[str, Need]


@app.command()
def bench(
    small: Annotated[int, typer.Option(min=1)] = 1_000,
    clients: Annotated[int, typer.Option(min=1)] = 15_000,
    rate: Annotated[int, typer.Option(min=1, help="budget, clients per second")] = 500,
    kinds: KindsOption = "plain",
) -> None:
    """Two cutovers of different size, and the table."""
    if small >= clients:
        raise typer.BadParameter(f"{small} is no smaller than {clients}", param_hint="--small")
    with told_in_lines("bench"):
        found = measure(small, rate, kinds), measure(clients, rate, kinds)
    console = Console(width=120)
    console.print(figures(found))
    console.print(_needs(found))
    growth = bytes_a_client(*found)
    console.print(f"provider memory: {growth:.0f} bytes for each further client (at most {MOST_BYTES_A_CLIENT})")
    judge(console, missed(*found))


def judge(console: Console, over: Sequence[str]) -> NoReturn:
    """Say which bounds do not hold, and end; status 1 where there is one."""
    console.print("missed: " + "; ".join(over) if over else "all figures are within their bounds")
    raise typer.Exit(int(bool(over)))


def bytes_a_client(less: Measured, more: Measured) -> float:
    """What each further client costs the provider in resident memory."""
    return (more.needs["provider"].resident - less.needs["provider"].resident) / (more.clients - less.clients)


def missed(less: Measured, more: Measured) -> list[str]:
    """The bounds that do not hold; the ratio of the smaller cutover says little, since it lasts about a second."""
    ratio, growth = more.report.ratio, bytes_a_client(less, more)
    return [
        *([f"ratio {ratio} is over {MOST_RATIO}"] if ratio is None or ratio > MOST_RATIO else []),
        *([f"{growth:.0f} bytes a client"] if growth > MOST_BYTES_A_CLIENT else []),
        *unclean((less, more)),
    ]


def unclean(found: Sequence[Measured]) -> list[str]:
    """The cutovers in which a device saw more than one disconnect."""
    wrong = [one for one in found if not _clean(one.report)]
    return [f"{one.clients} clients: a device was disconnected twice or refused" for one in wrong]


def measure(clients: int, rate: int, kinds: str) -> Measured:
    """One cutover with so many devices of these kinds."""
    scene = Scene(
        clients=clients,
        budget_per_second=rate,
        edition="ce",
        steps=({"share": 10}, {"share": 50}, {"share": 100}),
        publish_interval_seconds=10.0,
        kinds=kinds,
    )
    with tempfile.TemporaryDirectory(prefix="emqx-bench-") as directory, Stage(Path(directory), scene) as stage:
        stage.build_blue()
        stage.start_fleet()
        stage.change()
        watch = Watch(stage)
        done = watch.over(lambda: stage.workspace.up(seconds=scene.up_seconds))
        done.good()
        return Measured(clients, told(stage), watch.needs)


def told(stage: Stage) -> Report:
    """What is measured of a cutover that has ended, with what the devices saw; its summary is shown."""
    stage.end_fleet()
    fleet = read_fleet(stage.fleet_log.with_name("summary.json"), stage.fleet_log)
    report, summary = write_report(stage.work / "journal.jsonl", stage.work / "report", fleet=fleet)
    print(summary, flush=True)
    return report


class Watch:
    """Samples the processes of a stage while something works."""

    def __init__(self, stage: Stage) -> None:
        """Nothing is sampled yet."""
        self.needs: dict[str, Need] = {}
        self._place = str(stage.workspace.project.resolve())
        self._done = threading.Event()

    def over(self, work: Callable[[], T]) -> T:
        """What the work returns."""
        sampler = threading.Thread(target=self._sample, daemon=True)
        sampler.start()
        try:
            return work()
        finally:
            self._done.set()
            sampler.join()

    def _sample(self) -> None:
        while not self._done.wait(SAMPLE_SECONDS):
            for process in psutil.process_iter():
                kind = self._kind(process)
                if kind:
                    self._note(kind, process)

    def _kind(self, process: psutil.Process) -> str:
        try:
            command = " ".join(process.cmdline())
            if not process.cwd().startswith(self._place):
                return ""
        except psutil.Error:
            return ""
        kinds = {"pulumi.dynamic": "provider", "lab node": "node", "haproxy": "balancer"}
        return next((kind for words, kind in kinds.items() if words in command), "")

    def _note(self, kind: str, process: psutil.Process) -> None:
        try:
            with process.oneshot():
                resident, used = process.memory_info().rss, process.cpu_times()
        except psutil.Error:
            return
        most = self.needs.get(kind, Need())
        self.needs[kind] = Need(max(most.resident, resident), max(most.processor_seconds, used.user + used.system))


def _clean(report: Report) -> bool:
    return report.disconnects is not None and report.disconnects.max <= 1 and report.refused_connections == 0


def figures(found: Sequence[Measured]) -> Table:
    """What each cutover took, and what the devices saw."""
    table = Table(
        "clients", "moved s", "limit s", "ratio", "disconnects", "gap p99 s", "refused", "connected min", "lost"
    )
    for one in found:
        report = one.report
        gap, connected, messages = report.gap_seconds, report.connected, report.messages
        table.add_row(
            str(one.clients),
            f"{report.moving_seconds:.1f}",
            f"{report.limit_seconds:.1f}" if report.limit_seconds else "-",
            str(report.ratio),
            str(report.disconnects.max if report.disconnects else "-"),
            f"{gap.p99:.2f}" if gap and gap.p99 is not None else "-",
            str(report.refused_connections),
            f"{connected.min} of {connected.of}" if connected else "-",
            str(messages.lost if messages else "-"),
        )
    return table


def _needs(found: Sequence[Measured]) -> Table:
    table = Table("clients", "process (the largest of its kind)", "resident MB", "processor s")
    for one in found:
        for kind, need in sorted(one.needs.items()):
            table.add_row(str(one.clients), kind, f"{need.resident / 1e6:.1f}", f"{need.processor_seconds:.1f}")
    return table
