"""The workflows: linted, pinned by commit, and their `run` lines carried out against a backend here, each job in an empty clone.

`make setup` is not done again in each clone: it has this machine's environment. `make test` is only asked whether it exists, since it is what
runs these tests.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.system.environment import kept
from lab.engine_run import end, working_in
from lab.stage import ROOT
from lab.workspace import environment
from tests.certificates import issued

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
STACKS = ("dev", "lab", "prod", "staging")
EXPRESSION = re.compile(r"\$\{\{\s*([^}]+?)\s*\}\}")
MAKE = """#!/bin/bash
# the environment of this machine is linked into each clone, so that setup has nothing to do
for word in "$@"; do [ "$word" = setup ] && exit 0; [ "$word" = test ] && exec /usr/bin/env -i PATH="$PATH" {make} -n -o setup -o lint test >/dev/null; done
exec {make} -o setup "$@"
"""


def document(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / ".github" / "workflows" / f"{name}.yml").read_text())
    return found


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


class GitHub(ThreadingHTTPServer):
    """Comments of one issue, as GitHub's API keeps them."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Comments)
        self.comments: list[dict[str, Any]] = [{"id": 1, "body": "<!-- emqx-plan: other -->"}]
        self.calls: list[str] = []


class Comments(BaseHTTPRequestHandler):
    server: GitHub

    def do_GET(self) -> None:
        self.answer(self.server.comments)

    def do_POST(self) -> None:
        self.server.comments.append({"id": len(self.server.comments) + 1, **self.body()})
        self.answer(self.server.comments[-1])

    def do_PATCH(self) -> None:
        number = int(self.path.rpartition("/")[2])
        self.server.comments[number - 1] |= self.body()
        self.answer(self.server.comments[number - 1])

    def body(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        return found

    def answer(self, value: Any) -> None:
        self.server.calls.append(f"{self.command} {self.path.partition('?')[0]}")
        text = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def github() -> Iterator[GitHub]:
    server = GitHub()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


class Runner:
    """A machine that has nothing but the repository: every job begins in a clone of its own."""

    def __init__(self, directory: Path, github: GitHub) -> None:
        self.directory, self.jobs = directory, 0
        for name in ("home", "state", "bin", "origin"):
            (directory / name).mkdir()
        (directory / "passphrase").write_text("a passphrase of the test")
        (directory / "bin" / "make").write_text(MAKE.format(make=shutil.which("make")))
        (directory / "bin" / "make").chmod(0o755)
        self.backend = environment(directory)
        self.known = {
            "vars.PULUMI_BACKEND_URL": self.backend["PULUMI_BACKEND_URL"],
            "secrets.PULUMI_CONFIG_PASSPHRASE": (directory / "passphrase").read_text(),
            "secrets.GITHUB_TOKEN": "t",
            "github.event.pull_request.number": "7",
        }
        self.url = f"http://127.0.0.1:{github.server_address[1]}"
        self._origin()

    def _origin(self) -> None:
        """The repository as it is here, committed or not, with secrets in its stacks as a team would commit them."""
        origin = self.directory / "origin"
        listed = subprocess.run(
            ["git", "ls-files", "-z", "-co", "--exclude-standard"],
            cwd=ROOT,
            capture_output=True,
            check=True,
            timeout=60,
        )
        for name in filter(None, listed.stdout.decode().split("\0")):
            if (ROOT / name).is_file() and not name.startswith((".venv", "tests/", "docs/")):
                (origin / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, origin / name)
        for stack in STACKS:
            # where nobody listens: what stands behind the addresses of the pattern is not known here
            place = origin / "stacks" / f"Pulumi.{stack}.yaml"
            place.write_text(re.sub(r"\b10\.(\d)\.1\.", r"127.77.\1.", place.read_text()))
        self.git(origin, "init", "-q", "-b", "main")
        self.commit(origin, "as it is")
        self.base = self.git(origin, "rev-parse", "HEAD")
        (origin / ".venv").symlink_to(sys.prefix)
        front = issued("front")
        chain = front.chain + front.key_text()
        for stack in STACKS:
            self.pulumi(origin, "stack", "init", stack, "--non-interactive")
            for word in ("apiKey", "apiSecret"):
                path = f"emqx:credentials.blue.{word}"
                self.pulumi(
                    origin, "config", "set", "--secret", "--path", path, "--stack", stack, text=f"planted{word}"
                )
            if stack in {"staging", "prod"}:
                self.pulumi(
                    origin,
                    "config",
                    "set",
                    "--secret",
                    "--path",
                    "emqx:certificates.front",
                    "--stack",
                    stack,
                    text=chain,
                )
        self.commit(origin, "secrets of each stack")

    def pulumi(self, where: Path, *arguments: str, text: str = "") -> None:
        done = subprocess.run(
            [self.backend["PULUMI"], *arguments],
            cwd=where,
            env=self.backend,
            input=text,
            text=True,
            capture_output=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def git(self, where: Path, *arguments: str) -> str:
        who = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
        return subprocess.run(
            ["git", *who, *arguments], cwd=where, text=True, capture_output=True, check=True, timeout=60
        ).stdout.strip()

    def commit(self, where: Path, why: str) -> None:
        self.git(where, "add", "-A")
        self.git(where, "commit", "-q", "-m", why)

    def job(self, name: str, job: str, **more: str) -> tuple[str, Path]:
        """Carry out the run lines of one job in an empty clone; what they said, and where."""
        self.jobs += 1
        clone = self.directory / f"clone-{self.jobs}"
        self.git(self.directory, "clone", "-q", str(self.directory / "origin"), str(clone))
        (clone / ".venv").symlink_to(sys.prefix)
        known = {**self.known, "github.event.pull_request.base.sha": self.base, **more}
        said = ""
        described = document(name)["jobs"][job]
        files = {word: clone / f".{word.lower()}" for word in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
        for step in described["steps"]:
            if "run" not in step or step.get("if", "always()").partition(" #")[0] != "always()":
                continue
            said += self._step(clone, {**described.get("env", {}), **step.get("env", {})}, known, files, step["run"])
        return said, clone

    def _step(
        self, clone: Path, declared: Mapping[str, str], known: Mapping[str, str], files: Mapping[str, Path], line: str
    ) -> str:
        given = {key: EXPRESSION.sub(lambda found: known[found[1]], str(value)) for key, value in declared.items()}
        variables = {
            **kept(os.environ),
            "PATH": f"{self.directory / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "PULUMI_HOME": self.backend["PULUMI_HOME"],
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "GITHUB_API_URL": self.url,
            "GITHUB_REPOSITORY": "team/fleet",
            **{key: str(path) for key, path in files.items()},
            **given,
        }
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", line],
            cwd=clone,
            env=variables,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            timeout=300,
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}"
        return done.stdout


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
        said, clone = runner.job("preview", "preview", **{"matrix.stack": stack})
        assert "No device reconnects" in (clone / "plan" / f"{stack}.md").read_text()
        assert json.loads((clone / "plan" / f"{stack}.json").read_text())["outline"]
        assert "planted" not in said
    bodies = [str(one["body"]) for one in github.comments]
    assert [body.splitlines()[0] for body in bodies[1:]] == [f"<!-- emqx-plan: {stack} -->" for stack in STACKS]
    told = {"GITHUB_API_URL": runner.url, "GITHUB_REPOSITORY": "team/fleet", "GITHUB_TOKEN": "t", "PULL_REQUEST": "7"}
    again = [sys.executable, "-m", "tools.comment", "--stack", STACKS[-1]]
    subprocess.run(again, cwd=clone, env={**os.environ, **told}, check=True, timeout=60)
    assert len(github.comments) == len(bodies), "the comment is updated in place"
    assert github.calls[-1].startswith("PATCH ")


def test_an_update_and_the_nights_look_at_it_need_no_file_of_each_other(runner: Runner) -> None:
    """The stack dev is one of lab nodes here; where they work is no part of any clone."""
    origin = runner.directory / "origin"
    place = origin / "stacks" / "Pulumi.dev.yaml"
    stack = yaml.safe_load(place.read_text())
    nodes = {"target": "local", "version": "5.8.9", "edition": "ee", "nodes": 1, "maxSessions": 0}
    stack["config"] |= {"emqx:clusters": {"blue": nodes}, "emqx:workDirectory": str(runner.directory / "work")}
    stack["config"]["emqx:balancer"] = {"target": "local"}
    place.write_text(yaml.safe_dump(stack))
    runner.commit(origin, "dev is built here")
    said, clone = runner.job("up", "dev")
    assert "stack dev: no cutover was made here" in said
    assert "No device reconnects" in (clone / "plan" / "dev.md").read_text()
    assert "stack dev" in (clone / ".github_step_summary").read_text()
    said, _ = runner.job("drift", "drift", **{"matrix.stack": "dev"})
    assert "planted" not in said


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
    clone = runner.directory / "settled"
    if not clone.exists():
        runner.git(runner.directory, "clone", "-q", str(runner.directory / "origin"), str(clone))
        (clone / ".venv").symlink_to(sys.prefix)
    passphrase = {"PULUMI_CONFIG_PASSPHRASE": runner.known["secrets.PULUMI_CONFIG_PASSPHRASE"], **changes}
    variables = {key: value for key, value in {**runner.backend, **passphrase}.items() if value is not None}
    variables.pop("PULUMI_CONFIG_PASSPHRASE_FILE")
    done = subprocess.run(
        [sys.executable, "-m", "tools.stack", "preview", "--stack", stack],
        cwd=clone,
        env=variables,
        text=True,
        capture_output=True,
        check=False,
        timeout=120,
    )
    assert done.returncode
    assert done.stderr.strip().splitlines()[-1].startswith(line), done.stdout + done.stderr


def test_a_locked_stack_says_who_may_take_the_lock_away_and_how(runner: Runner) -> None:
    """A lock as an update that was killed has left it."""
    locks = runner.directory / "state" / ".pulumi" / "locks" / "organization" / "emqx" / "lab"
    locks.mkdir(parents=True, exist_ok=True)
    lock = {"pid": 1, "username": "somebody", "hostname": "elsewhere", "timestamp": "2026-11-29T15:00:00Z"}
    (locks / "6c2b8f4e.json").write_text(json.dumps(lock))
    clone = runner.directory / "clone-1"
    told = [sys.executable, "-m", "tools.stack"]
    refused = subprocess.run(
        [*told, "up", "--stack", "lab"],
        cwd=clone,
        env=runner.backend,
        text=True,
        capture_output=True,
        check=False,
        timeout=120,
    )
    assert refused.returncode
    last = refused.stderr.strip().splitlines()[-1]
    assert last.startswith(
        "stack lab is locked by another update: wait for it; if it was killed: `make unlock STACK=lab`"
    ), refused.stdout
    freed = subprocess.run([*told, "unlock", "--stack", "lab"], cwd=clone, env=runner.backend, check=False, timeout=120)
    assert freed.returncode == 0
    assert not list(locks.glob("*.json"))


def test_a_new_environment_is_a_copy_with_secrets_of_its_own(runner: Runner) -> None:
    clone = runner.directory / "clone-1"
    told = [sys.executable, "-m", "tools.stack", "new", "--name"]
    first = subprocess.run(
        [*told, "eu", "--from", "lab"],
        cwd=clone,
        env=runner.backend,
        text=True,
        capture_output=True,
        check=False,
        timeout=120,
    )
    assert first.returncode == 0, first.stdout + first.stderr
    made, pattern = (yaml.safe_load((clone / "stacks" / f"Pulumi.{name}.yaml").read_text()) for name in ("eu", "lab"))
    keys = made["config"]["emqx:credentials"]["blue"]
    assert set(keys["apiSecret"]) == {"secure"}
    assert keys != pattern["config"]["emqx:credentials"]["blue"]
    assert made["encryptionsalt"] != pattern["encryptionsalt"]
    assert made["config"]["emqx:environment"] == "eu"
    assert made["config"]["emqx:clusters"] == pattern["config"]["emqx:clusters"]
    for name, source, why in (("eu", "lab", "exists"), ("us", "mars", "does not exist"), ("a/b", "lab", "is no name")):
        again = subprocess.run(
            [*told, name, "--from", source],
            cwd=clone,
            env=runner.backend,
            text=True,
            capture_output=True,
            check=False,
            timeout=120,
        )
        assert again.returncode == 2
        assert why in again.stderr
