"""A whole fleet on this machine: a Pulumi workspace, its clusters and balancer, and devices; nothing of it outlives its owner.

The rule: everything that is started is ended by pid when the stage is left, also after a failure or Ctrl-C.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import httpx

from components.local import balancer as balancing
from components.strategies import STRATEGIES
from components.system.trusted import authorities
from lab import filling
from lab.engine_run import Finished, NotDone
from lab.fleet.running import RunningFleet, SilentFleetError
from lab.growing import GrowingLines
from lab.node.v4 import etc
from lab.node.v4.line import line_of
from lab.workspace import Secret, Workspace

ROOT = Path(__file__).parents[1]
CLIENTS_A_REPLICA = 8_000
"""A HAProxy needs two files for each client, and a process may open 20,000 here."""
CLIENTS_A_PROCESS = 5_000
UP_SECONDS = 1800.0
WORK_DIRECTORY = ".emqx/lab"
CALM: Mapping[str, Any] = {
    "connectLatencyP99Milliseconds": 60_000,
    "unknownSeconds": 240,
    "stallSeconds": 240,
    "clientsAwaySeconds": 240,
}
"""Gates where nodes, control plane and devices share one machine, and each connect passes all of them: how busy it is must end nothing that is shown."""


@dataclass(frozen=True)
class Scene:
    """What is upgraded to what, and how; the fields are those of the stack's config."""

    clients: int = 200
    budget_per_second: int = 200
    steps: tuple[Mapping[str, Any], ...] = ({"share": 10}, {"share": 50}, {"share": 100})
    edition: str = "ee"
    blue: str = "5.8.6"
    green: str = "5.8.9"
    nodes: int = 3
    persistent_fraction: float = 0.0
    publish_interval_seconds: float = 1.0
    kinds: str = "plain"
    strategy: str = "two-cluster"
    gates: Mapping[str, Any] = field(default_factory=dict)
    cutover: Mapping[str, Any] = field(default_factory=dict)
    balancer: Mapping[str, Any] = field(default_factory=dict)

    @property
    def most_disconnects(self) -> int:
        """How often a device may lose its connection: once, and in place with each node and once to even out."""
        return self.nodes + 1 if STRATEGIES[self.strategy].in_place else 1

    @property
    def up_seconds(self) -> float:
        """What an update that moves everybody may take at most: far more than it needs."""
        return UP_SECONDS + 3 * self.clients / self.budget_per_second


class Stage:
    """Use as a context; ``fleet_summary`` is what the devices saw, once ``end_fleet`` was called."""

    def __init__(self, directory: Path, scene: Scene) -> None:
        """Make the workspace; nothing runs yet."""
        self.scene, self.directory = scene, directory
        self.workspace = Workspace.create(directory, ROOT)
        self.work = self.workspace.project / WORK_DIRECTORY
        self._journal = GrowingLines(self.work / "journal.jsonl")
        self.secrets = {name: secrets.token_urlsafe(24) for name in ("blue", "green", "admin", "device")}
        self.nodes = {"blue": scene.nodes, "green": scene.nodes}
        self.fleet_options: list[str] = []
        self._fleet: RunningFleet | None = None
        self._configured = False

    def __enter__(self) -> Self:
        """Enter."""
        return self

    def __exit__(self, *_: object) -> None:
        """End devices, engines, balancer and clusters by pid."""
        try:
            if self._fleet is not None:
                self.end_fleet()
        finally:
            self.workspace.close()

    @property
    def mqtt(self) -> str:
        """Where the devices connect."""
        return balancing.handle_of(self.work / "balancer").mqtt

    def configure(self, live: str, *colours: str, **more: Any) -> None:
        """Write the stack's config: which colours are declared, which one is live; ``more`` are fields of the cutover."""
        scene = self.scene
        cluster = {"target": "local", "edition": scene.edition, "proxyProtocol": True}
        if scene.edition == "ee":
            cluster["maxSessions"] = 0
        versions = {"blue": scene.blue, "green": scene.green}
        values: dict[str, Any] = {
            "live": live,
            "workDirectory": WORK_DIRECTORY,
            "clusters": {
                colour: {**cluster, "version": versions[colour], "nodes": self.nodes[colour]}
                | self._files(colour, versions, born=colour == live and len(colours) == 2)
                for colour in colours
            },
            "balancer": {
                "maxConnections": 9_000,
                "replicas": -(-scene.clients // CLIENTS_A_REPLICA),
                **scene.balancer,
            },
            "cutover": {
                "strategy": scene.strategy,
                "budgetPerSecond": scene.budget_per_second,
                "evacuation": {"waitHealthCheckSeconds": 1, "waitTakeoverSeconds": 1},
                "steps": [dict(step) for step in scene.steps],
                "gates": dict(scene.gates),
                **scene.cutover,
                **more,
            },
        }
        if not self._configured:
            values["credentials"] = {colour: self._credentials(colour) for colour in ("blue", "green")}
            self._configured = True
        self.workspace.set_config(values)

    def _credentials(self, colour: str) -> dict[str, Any]:
        key = self.key_of(colour)
        return {
            "apiKey": f"upgrade-{key}",
            "apiSecret": Secret(self.secrets[key]),
            "username": "admin",
            "password": Secret(self.secrets["admin"]),
        }

    def _files(self, colour: str, versions: Mapping[str, str], *, born: bool) -> dict[str, Any]:
        """Where the configuration of a colour of 4.x lies, which its API does not give; its nodes take the files that are there.

        ``born``: its nodes begin with the files of the other colour, if that is of 4.x too.
        """
        line, old = line_of(versions[colour]), line_of(versions["green" if colour == "blue" else "blue"])
        home = self.work / "clusters" / colour
        if line is None or (born and old is not None and old.number < line.number and not (home / "etc").exists()):
            return {}
        files = etc.lay_down(home, line, "127.0.0", proxy_protocol=True, allow_anonymous=False)
        return {"configuration": [str(files)], "exports": "target" if line.hides_exports else "api"}

    def change(self) -> str:
        """Declare the upgrade, as the strategy has it; what the one reviewed change is."""
        if STRATEGIES[self.scene.strategy].in_place:
            self.scene = replace(self.scene, blue=self.scene.green)
            self.configure("blue", "blue")
            return f"blue has version {self.scene.blue}"
        self.configure("green", "blue", "green")
        return "green beside blue, live: green"

    def build_blue(self) -> Finished:
        """The first `pulumi up`: blue alone, with the accounts and data that a cluster has."""
        self.configure("blue", "blue")
        done = self.workspace.up().good()
        self.fill("blue")
        return done

    def api(self, colour: str) -> httpx.Client:
        """The management API of the colour's first node."""
        ready = self.ready(colour)
        key = self.key_of(colour)
        auth = (f"upgrade-{key}", self.secrets[key])
        base = ready["nodes"][0]["api"] + filling.api_path(ready["version"])
        return httpx.Client(base_url=base, auth=auth, timeout=30, verify=authorities())

    def key_of(self, colour: str) -> str:
        """Whose key it has: nodes of one cluster have the same ones."""
        return colour if STRATEGIES[self.scene.strategy].scope == "cluster" else "blue"

    def ready(self, colour: str) -> dict[str, Any]:
        """The ready file of the colour's cluster."""
        ready: dict[str, Any] = json.loads((self.work / "clusters" / colour / "ready.json").read_text())
        return ready

    def control(self, colour: str, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """A call of the cluster's control port (faults)."""
        answer = httpx.request(
            method, self.ready(colour)["control"] + path, json=body, timeout=30, verify=authorities()
        )
        return answer.raise_for_status().json()

    def fill(self, colour: str) -> None:
        """Password authentication, an account for the devices, permissions, retained messages."""
        with self.api(colour) as api:
            filling.fill(api, self.ready(colour)["version"], self.secrets["device"])

    def start_fleet(self) -> None:
        """Start the devices and wait until all of them are connected, or NotDone; the fleet bounds the wait and says what it saw."""
        scene = self.scene
        password = self.directory / "device-password"
        password.touch(mode=0o600)
        password.write_text(self.secrets["device"])
        options = ["--address", self.mqtt, "--clients", str(scene.clients), "--username", filling.DEVICE_USER]
        options += ["--password-file", str(password), "--processes", str(-(-scene.clients // CLIENTS_A_PROCESS))]
        options += ["--kinds", scene.kinds, "--persistent-fraction", str(scene.persistent_fraction)]
        options += ["--publish-interval-seconds", str(scene.publish_interval_seconds), *self.fleet_options]
        try:
            self._fleet = RunningFleet.start(self.fleet_log, options)
        except SilentFleetError as silent:
            raise NotDone(str(silent)) from None

    @property
    def fleet_log(self) -> Path:
        """The devices' log; their summary is ``summary.json`` beside it."""
        return self.directory / "fleet" / "fleet.jsonl"

    def end_fleet(self, patience_seconds: float = 0.0) -> dict[str, Any]:
        """Let the devices finish, and what they saw; those who still wait for their next try are given so many seconds."""
        fleet, self._fleet = self._fleet, None
        if fleet is None:
            raise NotDone("no fleet was started")
        try:
            if patience_seconds:
                fleet.wait_for_all(patience_seconds)
        finally:
            seen = fleet.end()
        return seen

    def journal(self) -> list[dict[str, Any]]:
        """All that the runs have written down."""
        return self._journal.values()

    def live(self) -> dict[str, int]:
        """Live connections by colour, as the brokers say."""
        counts = {}
        for colour in ("blue", "green"):
            with contextlib.suppress(FileNotFoundError, httpx.HTTPError), self.api(colour) as api:
                ready = self.ready(colour)
                counts[colour] = filling.live(api, ready["version"], (node["name"] for node in ready["nodes"]))
        return counts


@contextlib.contextmanager
def upgraded(directory: Path, scene: Scene) -> Iterator[Stage]:
    """A stage with blue built and its devices connected."""
    with Stage(directory, scene) as stage:
        stage.build_blue()
        stage.start_fleet()
        yield stage


@contextlib.contextmanager
def told_in_lines(command: str) -> Iterator[None]:
    """What stops a stage ends the command with status 1 and with what was seen, not with a traceback; SIGTERM is a Ctrl-C."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    except (NotDone, OSError, httpx.HTTPError, subprocess.SubprocessError) as error:
        sys.stderr.write(f"{command}: {error}\n")
        raise SystemExit(1) from None
    finally:
        signal.signal(signal.SIGTERM, before)
