"""`python -m lab demo`: blue is built, devices connect, `pulumi up` moves them to green, and the report is shown.

The rule: everything that it starts is ended when it ends, also after Ctrl-C; what it shows comes from the run itself.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console

from components.report.files import read_fleet, write_report
from components.strategies import STRATEGIES
from lab.engine_run import EngineRun, diagnostics
from lab.fleet.mixture import MIXED, mixture
from lab.fleet.shown import KindsOption, account, table
from lab.stage import Scene, Stage, told_in_lines

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
SHOW_SECONDS = 0.1
END_SECONDS = 30.0
BACK_SECONDS = 60.0
"""Longer than the first wait of any kind of client (10 s)."""

OnAws = Annotated[
    Literal["network_load_balancer", "aws"], typer.Option(help="on aws: aws is HAProxy on instances of its own")
]


@app.command()
def demo(
    clients: Annotated[int, typer.Option(min=1, help="devices")] = 1000,
    rate: Annotated[int, typer.Option(min=1, help="budget, clients per second")] = 200,
    steps: Annotated[str, typer.Option(help="shares in percent, with commas")] = "10,50,100",
    report: Annotated[Path, typer.Option(help="directory for report.json and report.html")] = Path("report"),
    kinds: KindsOption = MIXED,
    strategy: Annotated[str, typer.Option(help=f"one of {', '.join(STRATEGIES)}")] = next(iter(STRATEGIES)),
    edition: Annotated[
        Literal["ce", "ee"],
        typer.Option(help="ce is open source, ee Enterprise, whose old colour is evacuated at the end and stays shut"),
    ] = "ce",
    on: Annotated[
        Literal["processes", "kubernetes", "aws"],
        typer.Option(
            help="nodes and balancer are processes, or pods or instances of a cluster or an account on this machine"
        ),
    ] = "processes",
    balancer: OnAws = "network_load_balancer",
) -> None:
    """Upgrade a fleet on this machine, from nothing to the report."""
    _must_be_writable(report)
    if strategy not in STRATEGIES:
        raise typer.BadParameter(f"{strategy!r}; allowed: {', '.join(STRATEGIES)}", param_hint="--strategy")
    scene = Scene(
        clients=clients,
        budget_per_second=rate,
        edition=edition,
        steps=_shares(steps),
        persistent_fraction=0.5,
        kinds=kinds,
        strategy=strategy,
        cutover={"acknowledge": ["sessions"]},
        balancer={"target": balancer} if on == "aws" else {},
    )
    with (
        told_in_lines("demo"),
        tempfile.TemporaryDirectory(prefix="emqx-demo-") as directory,
        _staged(on, Path(directory), scene) as stage,
    ):
        code, fleet = _upgrade(stage, report)
    raise typer.Exit(code or missed(fleet, scene))


def _staged(on: str, directory: Path, scene: Scene) -> AbstractContextManager[Stage]:
    """Where it is shown."""
    if on == "processes":
        return Stage(directory, scene)
    if on == "aws":
        from lab.aws.demo import on_instances

        return on_instances(directory, scene)
    from lab.kubernetes.demo import in_pods

    return in_pods(directory, scene)


def _upgrade(stage: Stage, report: Path) -> tuple[int, dict[str, Any]]:
    """From nothing to the report: the update's exit status, and what the devices saw."""
    scene = stage.scene
    print(f"== pulumi up: blue, EMQX {scene.blue}, {scene.nodes} nodes", flush=True)
    stage.build_blue()
    print(f"== {scene.clients} devices connect through the balancer at {stage.mqtt}", flush=True)
    stage.start_fleet()
    print(f"== pulumi preview: {stage.change()}", flush=True)
    print(_plan(stage.workspace.preview().good().output), flush=True)
    print("== pulumi up", flush=True)
    code = follow(stage.workspace.start_up(), scene.up_seconds)
    fleet, journal = stage.end_fleet(BACK_SECONDS), stage.work / "journal.jsonl"
    if not journal.exists():
        raise typer.Exit(code or 1)
    seen = read_fleet(stage.fleet_log.with_name("summary.json"), stage.fleet_log)
    print(f"== report\n{write_report(journal, report, fleet=seen)[1]}", flush=True)
    print(f"== devices, by kind\n{account(fleet)}\n{_connected(scene, fleet)}", flush=True)
    Console(width=120).print(table(fleet))
    return code, fleet


def follow(run: EngineRun, seconds: float) -> int:
    """Show the lines of an update as they come, and its exit status; Ctrl-C is handed on once and waited for.

    Raises:
        TimeoutError: it has not ended after ``seconds``, and was killed; what was last seen is shown already.

    """
    shown, limit = 0, time.monotonic() + seconds
    try:
        while True:
            ended = not run.running
            text = run.output()
            end = text.rfind("\n") + 1 if not ended else len(text)
            sys.stdout.write(text[shown:end])
            sys.stdout.flush()
            shown = end
            if ended:
                return run.wait(END_SECONDS).code
            if time.monotonic() > limit:
                run.end_all()
                raise TimeoutError(f"the update still runs after {seconds:.0f} s; what it said last is above")
            time.sleep(SHOW_SECONDS)
    except KeyboardInterrupt:
        run.interrupt()
        run.wait(END_SECONDS)
        raise


def _shares(steps: str) -> tuple[dict[str, float], ...]:
    """The steps of the stack's config; that the shares rise to 100 is said here, before anything is started."""
    try:
        shares = [float(share) for share in steps.split(",")]
    except ValueError:
        shares = []
    rising = all(low < high for low, high in pairwise([0.0, *shares]))
    if not (rising and shares and shares[-1] == 100):
        message = f"{steps!r}; allowed: rising percentages with commas, the last one 100, as in 10,50,100"
        raise typer.BadParameter(message, param_hint="--steps")
    return tuple({"share": share} for share in shares)


def _must_be_writable(report: Path) -> None:
    """Make the directory, so that no cutover is run whose report has no place."""
    try:
        report.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=report):
            pass
    except OSError as error:
        message = f"{report}: {error.strerror}; allowed: a directory that can be written"
        raise typer.BadParameter(message, param_hint="--report") from None


def _plan(output: str) -> str:
    """The plan's own lines out of a preview; the first one says whose they are."""
    return diagnostics(output).partition("\n")[2]


def _connected(scene: Scene, fleet: Mapping[str, Any]) -> str:
    """The smallest number of connected devices beside what their own waits at this rate leave."""
    shares = [float(step["share"]) for step in scene.steps]
    least = mixture(scene.kinds).least_connected(scene.clients, scene.budget_per_second, shares)
    return (
        f"{fleet['connected']['min']} connected at least; the kinds' waits at {scene.budget_per_second}/s leave {least}"
    )


def missed(fleet: Mapping[str, Any], scene: Scene) -> int:
    """1 when a device was disconnected more often than the plan says, refused, or has not come back.

    Behind a Network Load Balancer, which closes nobody, the nodes tell devices to go, which ends some libraries for good: the plan has said so.
    """
    tells = scene.balancer.get("target") == "network_load_balancer"
    away = fleet["away"] - (fleet["stayed_away"] if tells else 0)
    most = scene.most_disconnects
    return int(fleet["disconnects"]["max"] > most or fleet["refused_connections"] > 0 or away > 0)
