"""A cluster that is used by demo and tests: started once, and ended with whoever it was started for.

The rule: every wait is bounded and says what it last saw; two who ask for a cluster in one directory have the same.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

from lab.kubernetes.outside import CONTROL, READY
from lab.lasting import ended, started

READY_SECONDS, ANSWER_SECONDS, WAIT_SECONDS, POLL_SECONDS = 900.0, 120.0, 180.0, 0.3
"""The first allows for a build."""


class NotSeenError(AssertionError):
    """Something did not come about in time."""


class Cluster:
    """One that runs."""

    def __init__(self, directory: Path) -> None:
        """That of a directory, which `of` has started."""
        ready = json.loads((directory / READY).read_text(encoding="utf-8"))
        self.directory, self.kubeconfig, self.program = directory, Path(ready["kubeconfig"]), ready["kubectl"]
        self.nodes = tuple(ready["nodes"])

    @property
    def server(self) -> str:
        """The URL of its API server."""
        config = yaml.safe_load(self.kubeconfig.read_text(encoding="utf-8"))
        return str(config["clusters"][0]["cluster"]["server"])

    @classmethod
    def of(cls, directory: Path, owner: int) -> Cluster:
        """The cluster of a directory, started now unless it runs; it ends when the process ``owner`` ends."""
        started(directory, owner, ("kubernetes", "up"), READY, READY_SECONDS)
        return cls(directory)

    def end(self) -> None:
        """End it now, if this process has started it."""
        ended(self.directory)

    def kubectl(self, *words: str, given: str = "", fails: bool = False) -> str:
        """What it prints; raises with its error unless it is expected to fail, and then the error is what is told."""
        command = [self.program, f"--kubeconfig={self.kubeconfig}", *words]
        answer = subprocess.run(
            command, input=given, capture_output=True, text=True, timeout=ANSWER_SECONDS, check=False
        )
        if bool(answer.returncode) != fails:
            raise NotSeenError(f"kubectl {' '.join(words)}: status {answer.returncode}: {answer.stdout}{answer.stderr}")
        return answer.stderr + answer.stdout if fails else answer.stdout

    def apply(self, namespace: str, *objects: dict[str, Any]) -> None:
        """Declare objects."""
        listed = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        self.kubectl("apply", "-n", namespace, "-f", "-", given=json.dumps(listed))

    def get(self, namespace: str, *what: str) -> Any:
        """An object, or a list."""
        return json.loads(self.kubectl("get", "-n", namespace, *what, "-o", "json"))

    def make_namespace(self, name: str) -> str:
        """A namespace in which pods may be made."""
        self.kubectl("create", "namespace", name)
        self.until(lambda: self.kubectl("get", "-n", name, "serviceaccounts", "-o", "name"), "default")
        return name

    def until(self, seen: Callable[[], str], wanted: str, seconds: float = WAIT_SECONDS) -> str:
        """Ask until the answer has something in it; the answer."""
        limit = time.monotonic() + seconds
        while wanted not in (last := seen()):
            if time.monotonic() > limit:
                raise NotSeenError(f"{wanted!r} not seen within {seconds:g} s; last:\n{last[-2000:]}")
            time.sleep(POLL_SECONDS)
        return last

    @contextlib.contextmanager
    def without_node(self, node: str) -> Iterator[None]:
        """Its power fails, and comes back at the end."""
        with self._broken(f"lost-{node}"):
            yield

    @contextlib.contextmanager
    def without_api(self) -> Iterator[None]:
        """The API server is gone, until the end."""
        with self._broken("no-api"):
            yield

    @contextlib.contextmanager
    def _broken(self, what: str) -> Iterator[None]:
        mark = self.directory / CONTROL / what
        mark.touch()
        try:
            yield
        finally:
            mark.unlink()
