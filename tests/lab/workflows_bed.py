"""A machine that runs workflows and GitHub's comments, as far as the tests of the workflows need them.

The rule: every job begins in a clone of its own, and its lines are carried out as they stand; only this machine's environment is linked into
it, so that `make setup` has nothing to do.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

from components.run.journal import Journal
from components.system.environment import kept
from lab.node.network import free_port
from lab.stage import ROOT
from lab.workspace import environment
from tests.certificates import issued

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
STACKS = ("dev", "lab", "prod", "staging")
EXPRESSION = re.compile(r"\$\{\{\s*([^}]+?)\s*\}\}")
CONDITIONS: Mapping[str, Callable[[int], bool]] = {
    "always()": lambda _: True,
    "github.run_attempt > 1": lambda attempt: attempt > 1,
}
"""What the run lines may depend on, and which attempt of a run meets it."""
UNTOUCHED = """#!/bin/bash
# requirements have changed here since the last `make setup`, which is not done behind the back of whoever works here
for word in "$@"; do [ "$word" = setup ] && exit 0; done
exec {make} -o setup "$@"
"""


def document(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / ".github" / "workflows" / f"{name}.yml").read_text())
    return found


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


def set_up() -> bool:
    """Whether this machine's environment is what the requirements say."""
    look = "import sys, setup; sys.exit(not setup.is_ready())"
    return not subprocess.run([sys.executable, "-c", look], cwd=ROOT / "tools", check=False, timeout=60).returncode


class Runner:
    """A machine that has nothing but the repository: every job begins in a clone of its own."""

    def __init__(self, directory: Path, github: GitHub) -> None:
        self.directory, self.jobs = directory, 0
        for name in ("home", "state", "bin", "origin"):
            (directory / name).mkdir()
        (directory / "passphrase").write_text("a passphrase of the test")
        if not set_up():
            (directory / "bin" / "make").write_text(UNTOUCHED.format(make=shutil.which("make")))
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
            if (ROOT / name).is_file() and not name.startswith((".venv", "docs/")):
                (origin / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, origin / name)
        for stack in STACKS:
            # where nobody listens: what stands behind the addresses of the pattern is not known here
            place = origin / "stacks" / f"Pulumi.{stack}.yaml"
            place.write_text(re.sub(r"\b10\.(\d)\.1\.", r"127.77.\1.", place.read_text()))
        self.git(origin, "init", "-q", "-b", "main")
        self.commit(origin, "as it is")
        self.base = self.git(origin, "rev-parse", "HEAD")
        self._secrets(origin)

    def _keeps_its_journal(self, origin: Path) -> None:
        """The stack lab has a place for its journal, in which another machine has left one."""
        place, store = origin / "stacks" / "Pulumi.lab.yaml", self.directory / "store"
        found = yaml.safe_load(place.read_text())
        found["config"]["emqx:journal"] = f"file://{store}"
        place.write_text(yaml.safe_dump(found))
        journal = Journal(store / "journal.jsonl", "elsewhere", lambda: 1_795_000_000.0)
        journal.record("run", to="green", direction="forward", clients=10, budget_per_second=5)
        journal.record("end", outcome="done", to="green")

    def _secrets(self, origin: Path) -> None:
        """Keys of each stack's cluster, and the certificate of those that name one, as a team would commit them."""
        (origin / ".venv").symlink_to(sys.prefix)
        front = issued("front")
        chain = front.chain + front.key_text()
        for stack in STACKS:
            self.pulumi(origin, "stack", "init", stack, "--non-interactive")
            secrets = {f"emqx:credentials.blue.{word}": f"planted{word}" for word in ("apiKey", "apiSecret")}
            if stack in {"staging", "prod"}:
                secrets["emqx:certificates.front"] = chain
            told = [word for path, value in secrets.items() for word in ("--secret", f"{path}={value}")]
            self.pulumi(origin, "config", "set-all", "--path", "--stack", stack, *told)
        self._keeps_its_journal(origin)
        self.commit(origin, "secrets of each stack")

    def build_here(self, origin: Path, stack: str) -> None:
        """Let the stack's cluster be a lab node, and its listeners be at free ports."""
        place = origin / "stacks" / f"Pulumi.{stack}.yaml"
        found = yaml.safe_load(place.read_text())
        node = {"target": "local", "version": "5.8.9", "edition": "ee", "nodes": 1, "maxSessions": 0}
        found["config"] |= {
            "emqx:clusters": {"blue": node},
            "emqx:workDirectory": str(self.directory / f"work-{stack}"),
        }
        for listener in found["config"]["emqx:balancer"].get("listeners", ()):
            listener |= {"host": "127.0.0.1", "port": free_port("127.0.0.1")}
        place.write_text(yaml.safe_dump(found))

    def pulumi(self, where: Path, *arguments: str) -> None:
        done = subprocess.run(
            [self.backend["PULUMI"], *arguments],
            cwd=where,
            env=self.backend,
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

    def clone(self, name: str) -> Path:
        """The clone of this name, new where there is none yet, with nothing in it but the repository and this machine's environment."""
        clone = self.directory / name
        if not clone.exists():
            self.git(self.directory, "clone", "-q", str(self.directory / "origin"), str(clone))
            (clone / ".venv").symlink_to(sys.prefix)
        return clone

    def job(
        self, name: str, job: str, *, stack: str = "", attempt: int = 1, environment: Mapping[str, str] | None = None
    ) -> tuple[str, Path]:
        """Carry out the run lines of one job in an empty clone; what they said, and where. ``environment`` is the machine's own, for what a line leaves open."""
        self.jobs += 1
        clone = self.clone(f"clone-{self.jobs}")
        known = {**self.known, "github.event.pull_request.base.sha": self.base, "matrix.stack": stack}
        said = ""
        described = document(name)["jobs"][job]
        files = {word: clone / f".{word.lower()}" for word in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
        for step in described["steps"]:
            if "run" not in step or not CONDITIONS[str(step.get("if", "always()")).strip()](attempt):
                continue
            declared = {**(environment or {}), **described.get("env", {}), **step.get("env", {})}
            said += self._step(clone, declared, known, files, step["run"])
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
