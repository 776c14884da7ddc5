"""The workflows: linted, pinned by commit, and their `run` lines carried out against a backend here, each job in an empty clone.

Each job of each workflow; `make test` is what runs these tests, so its line is carried out with a selection of its own (TESTS).
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import yaml

from lab.engine_run import end, working_in
from lab.stage import ROOT
from tests.lab.workflows_bed import STACKS, WORKFLOWS, GitHub, Runner, document

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]


def test_actionlint_has_nothing_to_say() -> None:
    got = subprocess.run(
        [sys.executable, "tools/get_actionlint.py"], cwd=ROOT, text=True, capture_output=True, check=False, timeout=580
    )
    assert got.returncode == 0, got.stderr
    said = subprocess.run(
        [got.stdout.strip(), *map(str, WORKFLOWS)], text=True, capture_output=True, check=False, timeout=60
    )
    assert said.returncode == 0, said.stdout + said.stderr


def test_every_action_is_pinned_by_a_commit_and_no_run_line_has_an_expression_in_it() -> None:
    """An expression in a run line is a place where the title of a pull request becomes a command."""
    for path in WORKFLOWS:
        for job in yaml.safe_load(path.read_text())["jobs"].values():
            for step in job["steps"]:
                assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", step.get("uses", "a/b@" + "0" * 40)), step
                assert "${{" not in step.get("run", ""), step
                assert step.get("run", "make x").startswith("make "), "logic belongs into a target"


def test_no_artifact_has_an_archive_in_it() -> None:
    """Archives hold secrets: what is taken along is the plan, the journal and the report, each by its name."""
    allowed = re.compile(r"plan/|\.emqx/[^/]+/(journal\.jsonl|report/)")
    for path in WORKFLOWS:
        steps = [step for job in yaml.safe_load(path.read_text())["jobs"].values() for step in job["steps"]]
        for step in (one for one in steps if "upload-artifact" in one.get("uses", "")):
            for line in step["with"]["path"].split("\n"):
                assert not line or allowed.fullmatch(line), line


@pytest.fixture(scope="module")
def github() -> Iterator[GitHub]:
    server = GitHub()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory, github: GitHub) -> Iterator[Runner]:
    made = Runner(tmp_path_factory.mktemp("runner"), github)
    yield made
    end(lambda: working_in(str(made.directory)), signal.SIGTERM, signal.SIGKILL)


def test_a_pull_request_finds_its_stacks_and_previews_each_environment_into_one_comment(
    runner: Runner, github: GitHub
) -> None:
    said, _ = runner.job("preview", "changed")
    assert json.loads(said.partition("stacks=")[2].splitlines()[0]) == list(STACKS)
    for stack in STACKS:
        said, clone = runner.job("preview", "preview", stack=stack)
        assert "No device reconnects" in (clone / "plan" / f"{stack}.md").read_text()
        assert json.loads((clone / "plan" / f"{stack}.json").read_text())["outline"]
        assert "planted" not in said
        report = (clone / ".github_step_summary").read_text()
        assert ("no cutover was made here" in report) == (stack != "lab"), "it is fetched from where it is kept"
        assert (clone / ".emqx" / stack / "journal.jsonl").exists() == (stack == "lab")
    bodies = [str(one["body"]) for one in github.comments]
    assert [body.splitlines()[0] for body in bodies[1:]] == [f"<!-- emqx-plan: {stack} -->" for stack in STACKS]
    told = {"GITHUB_API_URL": runner.url, "GITHUB_REPOSITORY": "team/fleet", "GITHUB_TOKEN": "t", "PULL_REQUEST": "7"}
    again = [sys.executable, "-m", "tools.comment", "--stack", STACKS[-1]]
    subprocess.run(again, cwd=clone, env={**os.environ, **told}, check=True, timeout=60)
    assert len(github.comments) == len(bodies), "the comment is updated in place"
    assert github.calls[-1].startswith("PATCH ")


def test_lint_types_and_tests_are_run_as_the_workflow_says(runner: Runner) -> None:
    """What mypy knows of this checkout is lent to the clone, whose files are the same."""
    few = {"TESTS": "tests/unit/test_steps.py", "MYPY_CACHE_DIR": str(ROOT / ".mypy_cache")}
    said, _ = runner.job("preview", "check", environment=few)
    for heading in ("---- lint: ruff", "---- lint: types", "---- lint: imports", " passed in "):
        assert heading in said, said


def test_every_environment_is_updated_and_the_nights_look_needs_no_file_of_them(runner: Runner) -> None:
    """The stacks are of lab nodes here; where they work is no part of any clone. One of the runs is a repeated one."""
    origin = runner.directory / "origin"
    jobs = document("up")["jobs"]
    assert [job.get("needs") for job in jobs.values()] == [None, "dev", "staging"], "one after the other"
    for stack in jobs:
        runner.build_here(origin, stack)
    runner.commit(origin, "each is built here")
    for stack in jobs:
        said, clone = runner.job("up", stack, attempt=2 if stack == "staging" else 1)
        assert f"stack {stack}: no cutover was made here" in said
        assert "No device reconnects" in (clone / "plan" / f"{stack}.md").read_text()
        assert f"stack {stack}" in (clone / ".github_step_summary").read_text()
    said, _ = runner.job("drift", "drift", stack="dev")
    assert "planted" not in said


def test_each_job_of_each_workflow_is_carried_out_here() -> None:
    jobs = {(path.stem, job) for path in WORKFLOWS for job in document(path.stem)["jobs"]}
    assert jobs == {
        *(("preview", job) for job in ("changed", "check", "preview")),
        *(("up", job) for job in ("dev", "staging", "prod")),
        ("drift", "drift"),
    }


@pytest.mark.parametrize(
    ("stack", "changes", "line"),
    [
        ("nowhere", {}, "stack nowhere does not exist in this backend: `make new-stack NAME=nowhere FROM=dev`"),
        (
            "lab",
            {"PULUMI_CONFIG_PASSPHRASE": "another"},
            "stack lab was made with another passphrase: set PULUMI_CONFIG_PASSPHRASE",
        ),
        (
            "lab",
            {"PULUMI_CONFIG_PASSPHRASE": None},
            "stack lab has secrets and no passphrase is given: set PULUMI_CONFIG",
        ),
    ],
)
def test_what_a_person_can_settle_is_one_line_at_the_end(
    runner: Runner, stack: str, changes: dict[str, str | None], line: str
) -> None:
    clone = runner.clone("settled")
    passphrase = {"PULUMI_CONFIG_PASSPHRASE": runner.known["secrets.PULUMI_CONFIG_PASSPHRASE"], **changes}
    variables = {key: value for key, value in {**runner.backend, **passphrase}.items() if value is not None}
    variables.pop("PULUMI_CONFIG_PASSPHRASE_FILE")
    done = said_by(clone, variables, "preview", stack)
    assert done.returncode
    assert done.stderr.strip().splitlines()[-1].startswith(line), done.stdout + done.stderr


def test_a_secret_that_nobody_has_set_is_one_line_that_says_how(runner: Runner) -> None:
    """Of a stack that is right but for it."""
    clone = runner.clone("unset")
    place = clone / "stacks" / "Pulumi.lab.yaml"
    stack = yaml.safe_load(place.read_text())
    del stack["config"]["emqx:credentials"]
    place.write_text(yaml.safe_dump(stack))
    refused = said_by(clone, runner.backend, "preview", "lab")
    assert refused.returncode
    wanted = (
        "stack lab has no credentials of a colour: pulumi config set --secret --path emqx:credentials.COLOUR.apiSecret"
    )
    assert refused.stderr.strip().splitlines()[-1].startswith(wanted), refused.stdout + refused.stderr
    assert "credentials" in (clone / "plan" / "lab.md").read_text(), "a reviewer reads it too"


def test_a_locked_stack_says_who_may_take_the_lock_away_and_how(runner: Runner) -> None:
    """A lock as an update that was killed has left it."""
    locks = runner.directory / "state" / ".pulumi" / "locks" / "organization" / "emqx" / "lab"
    locks.mkdir(parents=True, exist_ok=True)
    lock = {"pid": 1, "username": "somebody", "hostname": "elsewhere", "timestamp": "2026-11-29T15:00:00Z"}
    (locks / "6c2b8f4e.json").write_text(json.dumps(lock))
    clone = runner.clone("settled")
    refused = said_by(clone, runner.backend, "up", "lab")
    assert refused.returncode
    last = refused.stderr.strip().splitlines()[-1]
    assert last.startswith(
        "stack lab is locked by another update: wait for it; if it was killed: `make unlock STACK=lab`"
    ), refused.stdout
    assert said_by(clone, runner.backend, "unlock", "lab").returncode == 0
    assert not list(locks.glob("*.json"))


def test_a_new_environment_is_a_copy_with_secrets_of_its_own(runner: Runner) -> None:
    clone = runner.clone("settled")
    first = copied(clone, runner.backend, "eu", "lab")
    assert first.returncode == 0, first.stdout + first.stderr
    made, pattern = (yaml.safe_load((clone / "stacks" / f"Pulumi.{name}.yaml").read_text()) for name in ("eu", "lab"))
    keys = made["config"]["emqx:credentials"]["blue"]
    assert set(keys["apiSecret"]) == {"secure"}
    assert keys != pattern["config"]["emqx:credentials"]["blue"]
    assert made["encryptionsalt"] != pattern["encryptionsalt"]
    assert made["config"]["emqx:environment"] == "eu"
    assert made["config"]["emqx:clusters"] == pattern["config"]["emqx:clusters"]
    for name, source, why in (("eu", "lab", "exists"), ("us", "mars", "does not exist"), ("a/b", "lab", "is no name")):
        again = copied(clone, runner.backend, name, source)
        assert again.returncode == 2
        assert why in again.stderr


def said_by(clone: Path, variables: Mapping[str, str], command: str, stack: str) -> subprocess.CompletedProcess[str]:
    return tool(clone, variables, command, "--stack", stack)


def copied(clone: Path, variables: Mapping[str, str], name: str, source: str) -> subprocess.CompletedProcess[str]:
    return tool(clone, variables, "new", "--name", name, "--from", source)


def tool(clone: Path, variables: Mapping[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    """What `make` starts on a stack."""
    return subprocess.run(
        [sys.executable, "-m", "tools.stack", *words],
        cwd=clone,
        env=variables,
        text=True,
        capture_output=True,
        check=False,
        timeout=120,
    )
