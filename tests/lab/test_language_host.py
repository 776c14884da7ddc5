"""The language host under the real engine: whatever a Pulumi program needs of it, with a tiny project of its own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from lab.workspace import Secret, Workspace

pytestmark = pytest.mark.lab

WAIT_SECONDS = 90.0

ROOT = Path(__file__).resolve().parents[2]

PROJECT = """
name: tiny
runtime: { name: python, options: { virtualenv: .venv } }
stackConfigDir: stacks
config:
  tiny:mode: { type: string, default: good }
  tiny:credentials: { type: object, default: {} }
"""

PROGRAM = """
import os
import pulumi
from things import Thing

config = pulumi.Config()
print(f"the program runs in {os.getcwd()}")
mode = config.require("mode")
if mode == "refused":
    raise pulumi.RunError("mode must be good: it is refused")
if mode == "bug":
    {}["missing"]
if mode == "crash":
    os._exit(7)
if mode == "sleep":
    import time
    time.sleep(600)
thing = Thing("thing", {"text": mode, "length": None})
pulumi.export("length", thing.length)
pulumi.export("credentials", config.get_secret_object("credentials"))
pulumi.export("dry", pulumi.runtime.is_dry_run())
"""

THINGS = """
import json
import pulumi
from pulumi.dynamic import CreateResult, ReadResult, Resource, ResourceProvider, UpdateResult


class ThingProvider(ResourceProvider):
    serialize_as_secret_always = False
    credentials = {}

    def configure(self, req):
        self.credentials = json.loads(req.config.get("credentials") or "{}")

    def outs(self, props):
        secret = self.credentials.get("blue", {}).get("apiSecret", "")
        return {**props, "length": len(props["text"]), "secret_length": len(secret)}

    def create(self, props):
        return CreateResult("thing", self.outs(props))

    def update(self, id_, olds, news):
        return UpdateResult(self.outs(news))

    def read(self, id_, props):
        return ReadResult(id_, {**props, "text": "drifted"})


class Thing(Resource, module="tiny", name="Thing"):
    length: pulumi.Output[int]

    def __init__(self, name, props, opts=None):
        super().__init__(ThingProvider(), name, props, opts)
"""

PACK = """
from pulumi_policy import EnforcementLevel, PolicyPack, ResourceValidationPolicy


def never_bad(args, report):
    print("the pack looks at", args.resource_type)
    if args.props.get("text") == "bad":
        report("text must not be bad")


PolicyPack(
    name="tiny",
    enforcement_level=EnforcementLevel.MANDATORY,
    policies=[ResourceValidationPolicy("never-bad", "No thing is bad.", never_bad)],
)
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    source = tmp_path / "source"
    (source / "policies").mkdir(parents=True)
    (source / "Pulumi.yaml").write_text(PROJECT)
    (source / "__main__.py").write_text(PROGRAM)
    (source / "things.py").write_text(THINGS)
    (source / "policies" / "PulumiPolicy.yaml").write_text(
        f"runtime: {{ name: python, options: {{ virtualenv: {tmp_path / 'lab/project/.venv'} }} }}\n"
    )
    (source / "policies" / "__main__.py").write_text(PACK)
    made = Workspace.create(tmp_path / "lab", source)
    yield made
    made.close()


def resource(workspace: Workspace) -> dict[str, Any]:
    resources = workspace.export_state()["deployment"]["resources"]
    found: dict[str, Any] = next(each for each in resources if each["type"] == "pulumi-python:dynamic/tiny:Thing")
    return found


def test_a_stack_lives_its_whole_life_through_the_language_host(workspace: Workspace) -> None:
    preview = workspace.preview().good()
    assert "+ 2 to create" in preview.output
    assert f"the program runs in {workspace.project}" in preview.output

    workspace.up().good()
    assert workspace.outputs() == {"length": 4, "credentials": {}, "dry": False}

    again = workspace.up().good()
    assert "2 unchanged" in again.output

    workspace.refresh().good()
    assert resource(workspace)["outputs"]["text"] == "drifted"

    workspace.destroy().good()
    assert "resources" not in workspace.export_state()["deployment"]


def test_a_nested_secret_reaches_program_and_provider_and_no_file(workspace: Workspace, tmp_path: Path) -> None:
    planted = "planted-s3cret"
    workspace.set_config({"credentials": {"blue": {"apiKey": "k", "apiSecret": Secret(planted)}}})
    workspace.up().good()
    assert workspace.outputs()["credentials"] == {"blue": {"apiKey": "k", "apiSecret": planted}}
    assert resource(workspace)["outputs"]["secret_length"] == len(planted)
    written = [path for path in tmp_path.rglob("*") if path.is_file() and not path.is_symlink()]
    assert [path for path in written if planted.encode() in path.read_bytes()] == []


def test_a_policy_pack_judges_a_preview(workspace: Workspace) -> None:
    pack = workspace.project / "policies"
    assert "tiny" in workspace.preview(policy_pack=pack).good().output
    workspace.set_config({"mode": "bad"})
    refused = workspace.preview(policy_pack=pack)
    assert refused.code
    assert "text must not be bad" in refused.output


@pytest.mark.parametrize(
    ("mode", "told"),
    [
        ("refused", "error: mode must be good: it is refused"),
        ("bug", "KeyError: 'missing'"),
        ("crash", "error: an unhandled error occurred: Program exited with non-zero exit code: 7"),
    ],
)
def test_a_program_that_fails_is_one_clear_error(workspace: Workspace, mode: str, told: str) -> None:
    workspace.set_config({"mode": mode})
    failed = workspace.up()
    assert failed.code
    # The engine shows an error when it comes and once more under its heading at the end.
    diagnostics = failed.output.partition("Diagnostics:")[2]
    assert diagnostics.count(told) == 1
    assert diagnostics.count("error:") == 1
    assert "runpy" not in failed.output
    assert "language_host" not in failed.output


def test_a_wrong_type_of_a_key_is_refused_before_the_program_runs(workspace: Workspace) -> None:
    workspace.set_config({"mode": ["good"]})
    refused = workspace.preview()
    assert refused.code
    assert "must be of type 'string'" in refused.output
    assert "the program runs" not in refused.output


@pytest.mark.parametrize("how", ["interrupt", "kill_engine", "kill_all"])
def test_nothing_outlives_the_engine(workspace: Workspace, how: str) -> None:
    workspace.set_config({"mode": "sleep"})
    run = workspace.start_up()
    run.wait_for("the program runs", WAIT_SECONDS)
    family = [each for each in psutil.process_iter() if session(each.pid) == run.engine_pid != each.pid]
    assert any("runner.py" in " ".join(each.cmdline()) for each in family)
    getattr(run, how)()
    _, alive = psutil.wait_procs(family, WAIT_SECONDS)
    assert alive == []
    assert run.wait(WAIT_SECONDS).code


def test_no_program_outlives_a_killed_language_host(workspace: Workspace) -> None:
    workspace.set_config({"mode": "sleep"})
    run = workspace.start_up()
    run.wait_for("the program runs", WAIT_SECONDS)
    family = {
        name: each
        for each in psutil.process_iter()
        for name in ("host.py", "runner.py")
        if session(each.pid) == run.engine_pid and any(word.endswith(name) for word in each.cmdline())
    }
    family["host.py"].kill()
    psutil.wait_procs([family["runner.py"]], WAIT_SECONDS)
    assert not family["runner.py"].is_running()
    assert run.wait(WAIT_SECONDS).code


def test_closing_a_workspace_ends_what_works_in_it_and_nothing_else(workspace: Workspace) -> None:
    workspace.set_config({"mode": "sleep"})
    run = workspace.start_up()
    run.wait_for("the program runs", WAIT_SECONDS)
    inside = subprocess.Popen(["sleep", "600"], cwd=workspace.project, start_new_session=True)
    outside = subprocess.Popen(["sleep", "600"], cwd="/", start_new_session=True)
    workspace.close()
    # A process of many threads can be waited for a moment after it has stopped to be one.
    assert run.wait(WAIT_SECONDS).code != 0
    assert inside.wait(WAIT_SECONDS)
    assert outside.poll() is None
    outside.kill()
    outside.wait(WAIT_SECONDS)


def session(pid: int) -> int:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return 0
