"""A lab that is used by demo and tests, as whoever uses it sees it: where it is, and what may be broken in it.

The rule: only the endpoint is known of it; what a test wants to know or to break beside AWS's own calls goes by the same address, below ``/lab``.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import httpx

from components.system.environment import kept
from lab.aws.account import PERSON, SECRET, Place
from lab.lasting import ROOT, ended, started

READY, READY_SECONDS, ANSWER_SECONDS = "ready.json", 240.0, 120.0
PRIVATE = ("--user", "--map-root-user", "--mount", "--pid", "--mount-proc", "--fork", "--kill-child=KILL")
"""Namespaces of its own; the network is this machine's, whose loopback addresses the instances have."""


class Cloud:
    """One that runs."""

    def __init__(self, directory: Path, place: Place) -> None:
        """That of a directory."""
        self.directory, self.place = directory, place
        self._lab = httpx.Client(base_url=place.endpoint, timeout=ANSWER_SECONDS, trust_env=False)

    @classmethod
    def of(cls, directory: Path, owner: int) -> Cloud:
        """The lab of a directory, started now unless it runs; it ends when the process ``owner`` ends."""
        return cls(directory, Place.of(started(directory, owner, ("aws", "up"), READY, READY_SECONDS)))

    def end(self) -> None:
        """End it now, if this process has started it."""
        self._lab.close()
        ended(self.directory)

    def client(self, service: str) -> Any:
        """A client of boto3, as the person who runs Pulumi."""
        import boto3

        session = boto3.session.Session(PERSON, SECRET, region_name=self.place.region)
        return session.client(service, endpoint_url=self.place.endpoint)  # type: ignore[call-overload]

    def ask(self, path: str, asked: Any = None) -> Any:
        """A call of the lab's own."""
        return self._lab.post(f"/lab/{path}", json=asked).raise_for_status().json()

    def play(self, action: str, code: str = "", **more: Any) -> None:
        """A bad answer to come (`lab.aws.front.Fault`)."""
        self.ask("faults", {"action": action, "code": code, **more})

    def calls(self, by: str = PERSON) -> Counter[str]:
        """How often each action was called by the person, or by another access key."""
        return Counter({action: count for who, action, count in self.ask("calls") if who == by})


def inside(directory: Path) -> subprocess.Popen[bytes]:
    """Start what a lab is; it ends when its standard input is closed."""
    return subprocess.Popen(
        ["unshare", *PRIVATE, sys.executable, "-m", "lab.aws.inside", str(directory)],
        cwd=ROOT,
        env=kept(os.environ),
        stdin=subprocess.PIPE,
    )
