"""A Pulumi workspace of its own for demo and tests: the project's code by symbolic links, everything that is written apart.

The rule: two workspaces share nothing but code, so any number of them may be used at the same time; every wait is
bounded and says what it last saw.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from components.system.environment import kept
from components.system.files import replace
from lab.engine_run import EngineRun, Finished, end, working_in
from lab.guard import Guard

LINKED = ("components", "lab", "policies")
ENDPOINT = "AWS_ENDPOINT_URL"
CLOUD = (
    ENDPOINT,
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
)
"""Where a program's account is, and who asks it: taken over only where it is the lab's, which has an address of its own."""
QUICK_SECONDS = 120.0
LONG_SECONDS = 900.0


@dataclass(frozen=True)
class Secret:
    """A configuration value that is stored encrypted; it goes to `pulumi` through a pipe, never as an argument."""

    value: str

    def __repr__(self) -> str:
        return "Secret(...)"


class Workspace:
    """One project directory with one stack, a PULUMI_HOME and a file backend.

    ``project`` is where the engine, the program and the providers run, so a relative ``workDirectory`` is inside it.
    """

    def __init__(self, directory: Path, stack: str) -> None:
        """Open what ``create`` has made."""
        self.directory, self.stack = directory, stack
        self.project, self.logs = directory / "project", directory / "logs"
        self._environment = environment(directory)
        self._runs = 0
        self._guard: Guard | None = None

    @classmethod
    def create(cls, directory: Path, project_root: Path, *, stack: str = "lab") -> Workspace:
        """Make the workspace and its stack; one that exists is opened as it is."""
        directory = directory.resolve()
        workspace = cls(directory, stack)
        if not workspace.project.exists():
            (directory / "state").mkdir(parents=True, exist_ok=True)
            workspace._lay_out(project_root, passphrase=secrets.token_urlsafe())
            workspace.run("stack", "init", stack).good()
        return workspace

    def clone(self, directory: Path, project_root: Path) -> Workspace:
        """The same stack on another machine: its backend, passphrase and stack file, which a repository has, and nothing else that was written."""
        directory = directory.resolve()
        directory.mkdir(parents=True)
        (directory / "state").symlink_to(self.directory / "state")
        there = Workspace(directory, self.stack)
        there._lay_out(project_root, passphrase=(self.directory / "passphrase").read_text(encoding="utf-8"))
        for file in (self.project / "stacks").iterdir():
            shutil.copy(file, there.project / "stacks")
        return there

    def _lay_out(self, project_root: Path, *, passphrase: str) -> None:
        for name in ("home", "logs", "project/stacks"):
            (self.directory / name).mkdir(parents=True, exist_ok=True)
        (self.directory / "passphrase").touch(mode=0o600)
        (self.directory / "passphrase").write_text(passphrase, encoding="utf-8")
        shutil.copy(project_root / "Pulumi.yaml", self.project)
        for path in (*project_root.glob("*.py"), *(project_root / name for name in LINKED)):
            if path.exists():
                (self.project / path.name).symlink_to(path.resolve())
        (self.project / ".venv").symlink_to(sys.prefix)

    def close(self) -> None:
        """End every process that works in this workspace: engines, plugins, nodes, balancers, devices.

        Their guard does it, also when this process ends without having called this; what has started meanwhile is ended here.
        """
        guard, self._guard = self._guard, None
        if guard is not None:
            guard.end()
        end(lambda: working_in(str(self.directory)), signal.SIGTERM, signal.SIGKILL)

    def up(
        self, *, policy_pack: Path | None = None, skip_preview: bool = True, seconds: float = LONG_SECONDS
    ) -> Finished:
        """`pulumi up`, to its end."""
        return self.start_up(policy_pack=policy_pack, skip_preview=skip_preview).wait(seconds)

    def start_up(self, *, policy_pack: Path | None = None, skip_preview: bool = True) -> EngineRun:
        """`pulumi up` as a running process that may be watched, interrupted and killed."""
        return self.start("up", "--yes", *(["--skip-preview"] if skip_preview else []), *pack(policy_pack))

    def preview(self, *, policy_pack: Path | None = None, seconds: float = LONG_SECONDS) -> Finished:
        """`pulumi preview`."""
        return self.start("preview", *pack(policy_pack)).wait(seconds)

    def refresh(self, *, clear_pending: bool = False, seconds: float = LONG_SECONDS) -> Finished:
        """`pulumi refresh`, which may also forget creates that a killed engine has left pending."""
        return self.start("refresh", "--yes", *(["--clear-pending-creates"] if clear_pending else [])).wait(seconds)

    def destroy(self, *, seconds: float = LONG_SECONDS) -> Finished:
        """`pulumi destroy`."""
        return self.start("destroy", "--yes").wait(seconds)

    def unprotect(self) -> Finished:
        """`pulumi state unprotect`: what a person does who means a destroy of what serves."""
        return self.run("state", "unprotect", "--all", "--yes")

    def cancel(self) -> Finished:
        """`pulumi cancel`: takes away the lock that a killed engine has left."""
        return self.run("cancel", "--yes")

    def export_state(self) -> dict[str, Any]:
        """The stack's deployment as it is in the state; secrets stay encrypted."""
        state: dict[str, Any] = json.loads(self._answer("stack", "export"))
        return state

    def outputs(self) -> dict[str, Any]:
        """The stack's outputs, secrets in clear."""
        outputs: dict[str, Any] = json.loads(self._answer("stack", "output", "--json", "--show-secrets"))
        return outputs

    def set_config(self, values: Mapping[str, Any], *, stack: str | None = None) -> None:
        """Replace whole keys of the configuration (``{"live": "green", "credentials": {...: Secret(...)}}``)."""
        path = self.project / "stacks" / f"Pulumi.{stack or self.stack}.yaml"
        document = yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else {}
        config = document.setdefault("config", {})
        encrypted: list[tuple[str, Secret]] = []
        for key, value in values.items():
            name = key if ":" in key else f"{self._project_name()}:{key}"
            encrypted.extend(secrets_of(name, value))
            config[name] = without_secrets(value)
        replace(path, yaml.safe_dump(document, sort_keys=False))
        for name, secret in encrypted:
            self.run("config", "set", "--secret", "--path", name, stdin=secret.value, stack=stack).good()

    def start(self, *arguments: str) -> EngineRun:
        """Any command of `pulumi`, running; its output goes to a file of its own in ``logs``, line by line."""
        self._guard = self._guard or Guard(self.directory)
        self._runs += 1
        log = self.logs / f"{self._runs:02}-{arguments[0]}.log"
        return EngineRun.start(self._command(arguments, None), self.project, self._environment, log)

    def run(self, *arguments: str, stdin: str | None = None, stack: str | None = None) -> Finished:
        """A quick command of `pulumi`, to its end; the output is both of its outputs."""
        answer = subprocess.run(
            self._command(arguments, stack),
            cwd=self.project,
            env=self._environment,
            input=stdin or "",
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=QUICK_SECONDS,
            check=False,
        )
        return Finished(answer.returncode, answer.stdout)

    def _answer(self, *arguments: str) -> str:
        return self.run(*arguments).good().output

    def _command(self, arguments: Sequence[str], stack: str | None) -> list[str]:
        # `stack init NAME` has its name already.
        chosen = [] if arguments[:2] == ("stack", "init") else ["--stack", stack or self.stack]
        return [self._environment["PULUMI"], *arguments, *chosen, "--non-interactive", "--color", "never"]

    def _project_name(self) -> str:
        name: str = yaml.safe_load((self.project / "Pulumi.yaml").read_text(encoding="utf-8"))["name"]
        return name


def environment(directory: Path) -> dict[str, str]:
    """The environment of every command: this virtual environment's tools, and nothing of the user's own Pulumi or a CI's."""
    tools = Path(sys.prefix) / "bin"
    pulumi = tools / "pulumi"
    if not pulumi.exists():
        raise FileNotFoundError(f"{pulumi} is not there: run `make setup`")
    clouds = CLOUD if ENDPOINT in os.environ else ()
    return kept(os.environ, "KUBECONFIG", *clouds) | {
        "PATH": f"{tools}{os.pathsep}{os.environ.get('PATH', '')}",
        "PULUMI": str(pulumi),
        "PULUMI_HOME": str(directory / "home"),
        # an engine killed while it writes a file's attributes would leave a state that nobody can read (docs/environments.md)
        "PULUMI_BACKEND_URL": f"file://{directory / 'state'}?metadata=skip",
        "PULUMI_CONFIG_PASSPHRASE_FILE": str(directory / "passphrase"),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
    }


def pack(directory: Path | None) -> list[str]:
    """The option that names a policy pack."""
    return ["--policy-pack", str(directory)] if directory else []


def secrets_of(path: str, value: Any) -> Iterator[tuple[str, Secret]]:
    """Every secret inside a value with the path that `pulumi config set --path` takes."""
    if isinstance(value, Secret):
        yield path, value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            quoted = str(key).replace('"', '\\"')
            yield from secrets_of(f'{path}["{quoted}"]', item)
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from secrets_of(f"{path}[{index}]", item)


def without_secrets(value: Any) -> Any:
    """The value without what is set encrypted afterwards."""
    if isinstance(value, Mapping):
        return {key: without_secrets(item) for key, item in value.items() if not isinstance(item, Secret)}
    if isinstance(value, list | tuple):
        return [without_secrets(item) for item in value]
    return "" if isinstance(value, Secret) else value
