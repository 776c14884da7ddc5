"""What a provider hears of the real engine: Ctrl-C, its death; and what the person sees: progress and one-line errors."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from lab.engine_run import EngineRun
from lab.workspace import Secret, Workspace

pytestmark = pytest.mark.lab

ROOT = Path(__file__).resolve().parents[2]
WAIT_SECONDS = 100.0
ROUNDS = 3000
"""Of a tenth of a second each: longer than any wait here."""
PROGRAM = """
import pulumi
from things import Thing
Thing("thing", {"how": pulumi.Config().require("live")})
"""
THINGS = """
import asyncio, pathlib, time
from pulumi.dynamic import Resource
from components.emqx.errors import Refused
from components.resources import engine, progress
from components.resources.provider import TypedProvider
from components.value import Value

ROUNDS = pathlib.Path("rounds")


class Inputs(Value):
    how: str


class ThingProvider(TypedProvider[Inputs]):
    TRIGGERS = frozenset({"how"})

    def identity(self, inputs):
        return "thing"

    def failed(self, inputs, failure, details):
        pathlib.Path("details").write_text(details)

    def act(self, inputs, olds):
        if inputs.how == "refuse":
            raise Refused("import of x.tar.gz", node="emqx@127.0.1.1", seen="green is not empty", todo="look")
        if inputs.how == "long":
            return engine.run_bounded(self.wait)
        if inputs.how == "blocking":
            for number in range(3000):
                engine.interrupted()
                self.round(number)
                time.sleep(0.1)
        for number in range(5):
            progress.progress(f"step {number} of 5")
            while number == 1 and inputs.how == "watched" and not pathlib.Path("go").exists():
                engine.interrupted()
                time.sleep(0.02)
        progress.warning("two things to do:\\n  the first of two\\n  the second of two")
        return {"secrets": sorted(len(each.api_secret) for each in self.credentials.values())}

    def round(self, number):
        ROUNDS.write_text(str(number))
        if number == 0:
            progress.progress("the long action works")

    async def wait(self):
        try:
            for number in range(3000):
                self.round(number)
                await asyncio.sleep(0.1)
        finally:
            pathlib.Path("clean").write_text("yes")


class Thing(Resource, module="tiny", name="Thing"):
    def __init__(self, name, props):
        super().__init__(ThingProvider(), name, props)
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    source = tmp_path / "source"
    source.mkdir()
    (source / "Pulumi.yaml").write_text((ROOT / "Pulumi.yaml").read_text())
    (source / "components").symlink_to(ROOT / "components")
    (source / "__main__.py").write_text(PROGRAM)
    (source / "things.py").write_text(THINGS)
    workspace = Workspace.create(tmp_path / "lab", source)
    workspace.set_config({"clusters": {}})
    yield workspace
    workspace.close()


def started(workspace: Workspace, how: str) -> EngineRun:
    """An update whose provider is in the middle of a long action."""
    workspace.set_config({"live": how})
    run = workspace.start_up()
    run.wait_for("the long action works", WAIT_SECONDS)
    return run


def rounds(workspace: Workspace) -> int:
    return int((workspace.project / "rounds").read_text() or 0)


def test_progress_appears_at_once_and_only_once(workspace: Workspace) -> None:
    workspace.set_config({"live": "watched"})
    run = workspace.start_up()
    run.wait_for("step 1 of 5", WAIT_SECONDS)
    assert run.running
    assert "step 4 of 5" not in run.output()
    (workspace.project / "go").touch()
    output = run.wait(WAIT_SECONDS).good().output
    assert [output.count(f"step {number} of 5") for number in range(5)] == [1] * 5


def test_a_warning_stays_in_the_diagnostics_whole_at_its_resource(workspace: Workspace) -> None:
    workspace.set_config({"live": "quick"})
    told = workspace.up().good().output.partition("Diagnostics:")[2]
    resource, found, rest = told.partition("warning: two things to do:")
    assert found
    assert resource.strip().endswith("(thing):")
    assert [line.strip() for line in rest.splitlines()[1:3]] == ["the first of two", "the second of two"]
    assert "step 4 of 5" not in told


def test_an_error_is_one_line_and_its_traceback_is_kept(workspace: Workspace) -> None:
    workspace.set_config({"live": "refuse"})
    failed = workspace.up()
    assert failed.code
    told = "error: Refused: import of x.tar.gz on emqx@127.0.1.1: green is not empty. Next: look"
    assert failed.output.partition("Diagnostics:")[2].count(told) == 1
    assert "Traceback" not in failed.output
    assert "in act" in (workspace.project / "details").read_text()


def test_nested_credentials_reach_configure_and_no_state(workspace: Workspace) -> None:
    colours = {"apiKey": "key", "apiSecret": Secret("planted-s3cret")}
    workspace.set_config({"live": "quick", "credentials": {"blue": colours, "green": colours}})
    workspace.up().good()
    state = str(workspace.export_state())
    assert "'secrets': [14, 14]" in state
    assert "planted-s3cret" not in state


@pytest.mark.parametrize(("how", "number"), [("long", signal.SIGINT), ("blocking", signal.SIGTERM)])
def test_ctrl_c_ends_a_long_action_at_a_safe_point(workspace: Workspace, how: str, number: signal.Signals) -> None:
    run = started(workspace, how)
    run.interrupt(number)
    ended = run.wait(WAIT_SECONDS)
    assert ended.code
    assert "Stopped: this update: the update was cancelled" in ended.output
    assert (workspace.project / "clean").exists() == (how == "long")
    assert workspace.export_state()["deployment"].get("pending_operations", []) == []
    workspace.set_config({"live": "quick"})
    workspace.up().good()


@pytest.mark.parametrize("how", ["long", "blocking"])
def test_an_orphan_of_a_killed_engine_stops(workspace: Workspace, how: str) -> None:
    run = started(workspace, how)
    (provider,) = [psutil.Process(pid) for pid in run.provider_pids()]
    run.kill_engine()
    provider.wait(WAIT_SECONDS)
    assert rounds(workspace) < ROUNDS - 1, "it went on to its end"
    assert (workspace.project / "clean").exists() == (how == "long")
    assert "pulumi cancel" in workspace.up().output
    workspace.cancel().good()
    workspace.set_config({"live": "quick"})
    workspace.up().good()
