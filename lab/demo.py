"""`python -m lab demo`: blue is built, devices connect, `pulumi up` moves them to green, and the report is shown.

The rule: everything that it starts is ended when it ends, also after Ctrl-C; what it shows comes from the run itself.
"""

from __future__ import annotations

import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from components.report.files import read_fleet, write_report
from lab.engine_run import EngineRun, diagnostics
from lab.stage import Scene, Stage

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
UP_SECONDS = 1800.0
SHOW_SECONDS = 0.1
END_SECONDS = 30.0


@app.command()
def demo(
    clients: Annotated[int, typer.Option(min=1, help="devices")] = 1000,
    rate: Annotated[int, typer.Option(min=1, help="budget, clients per second")] = 200,
    steps: Annotated[str, typer.Option(help="shares in percent, with commas")] = "10,50,100",
    report: Annotated[Path, typer.Option(help="where report.json and report.html go")] = Path("report"),
    edition: Annotated[
        str, typer.Option(help="ce moves everybody by paced kicks, ee drains by node evacuation")
    ] = "ce",
) -> None:
    """Upgrade a fleet on this machine, from nothing to the report."""
    scene = Scene(
        clients=clients,
        budget_per_second=rate,
        edition=edition,
        steps=tuple({"share": float(share)} for share in steps.split(",")),
        persistent_fraction=0.5,
        cutover={"acknowledge": ["sessions"]},
    )
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="emqx-demo-") as directory, Stage(Path(directory), scene) as stage:
        print(f"== pulumi up: blue, EMQX {scene.blue}, {scene.nodes} nodes", flush=True)
        stage.build_blue()
        print(f"== {clients} devices connect through the balancer at {stage.mqtt}", flush=True)
        stage.start_fleet()
        stage.configure("green", "blue", "green")
        print("== pulumi preview: green beside blue, live: green", flush=True)
        print(_plan(stage.workspace.preview().good().output), flush=True)
        print("== pulumi up", flush=True)
        code = follow(stage.workspace.start_up())
        fleet = stage.end_fleet()
        if not (stage.work / "journal.jsonl").exists():
            raise typer.Exit(code or 1)
        _, summary = write_report(
            stage.work / "journal.jsonl",
            report,
            fleet=read_fleet(stage.fleet_log.with_name("summary.json"), stage.fleet_log),
        )
        print(f"== report\n{summary}", flush=True)
    raise typer.Exit(code or _missed(fleet))


def follow(run: EngineRun) -> int:
    """Show the lines of an update as they come, and its exit status; Ctrl-C is handed on once and waited for."""
    shown = 0
    try:
        while True:
            ended = not run.running
            text = run.output()
            end = text.rfind("\n") + 1 if not ended else len(text)
            sys.stdout.write(text[shown:end])
            sys.stdout.flush()
            shown = end
            if ended:
                return run.wait(UP_SECONDS).code
            time.sleep(SHOW_SECONDS)
    except KeyboardInterrupt:
        run.interrupt()
        run.wait(END_SECONDS)
        raise


def _plan(output: str) -> str:
    """The plan's own lines out of a preview; the first one says whose they are."""
    return diagnostics(output).partition("\n")[2]


def _missed(fleet: dict[str, Any]) -> int:
    """1 when a device was disconnected twice or refused."""
    return int(fleet["disconnects"]["max"] > 1 or fleet["refused_connections"] > 0)
