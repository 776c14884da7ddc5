"""Two lab clusters, a real HAProxy and devices, and the chain's own providers called in order, without an engine around them.

The rule: what acts here is what acts in a `pulumi up`; only Pulumi itself is missing, which makes a fault cost seconds.
"""

from __future__ import annotations

import asyncio
import csv
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import httpx

from components.cutover.steps import parse_steps
from components.cutover.words import COLOURS, Colour, Mover
from components.emqx.models import ClusterHandle, Credentials
from components.ledger.registry import ledger_of
from components.local import balancer as balancing
from components.local import cluster as local
from components.local.control import control
from components.resources.cutover import CutoverProvider
from components.resources.data_export import DataExportProvider
from components.resources.data_import import DataImportProvider
from components.resources.drain import DrainProvider
from components.resources.traffic_shift import TrafficShiftProvider
from components.routers.base import Router
from components.routers.haproxy import runtime
from components.routers.registry import router_of
from components.routers.share import set_server, set_share
from components.system.trusted import authorities
from lab.fleet.mixture import Mixture
from lab.growing import GrowingLines
from tests.lab.devices import SECONDS, SOON, Devices
from tests.lab.local_bed import VERSIONS, progress_into, wanted

QUICK = {"stallSeconds": 20, "settleSeconds": 1, "unknownSeconds": 20, "connectLatencyP99Milliseconds": None}
"""Gates that make up their mind soon; the latency of a machine that runs other tests too says nothing."""


class MovingBed:
    """Blue with devices on it, and an empty green."""

    def __init__(
        self,
        directory: Path,
        clients: int,
        nodes: int = 3,
        kinds: Mixture = SOON,
        *,
        proxied: bool = True,
        persistent_fraction: float = 0.0,
        max_sessions: int = 0,
    ) -> None:
        self.directory, self.clients, self.nodes, self.kinds = directory, clients, nodes, kinds
        self.journal = GrowingLines(directory / "journal.jsonl").values
        self.max_sessions = max_sessions
        self.proxied, self.persistent_fraction, self.max_connections = proxied, persistent_fraction, 2_000
        self.credentials: dict[str, Credentials] = {
            colour: Credentials(
                api_key=f"bed-{colour}", api_secret=f"secret-{colour}", username="admin", password="pw-1"
            )
            for colour in COLOURS
        }
        self.handles: dict[Colour, ClusterHandle] = {}
        self.lines: list[str] = []
        self._begun = 0
        self.devices: Devices

    def serve_cluster(self, colour: Colour) -> None:
        place = self.directory / "clusters" / colour
        cluster = wanted(
            place,
            VERSIONS[colour],
            colour=colour,
            nodes=self.nodes,
            proxy_protocol=self.proxied,
            max_sessions=self.max_sessions if colour == "green" else 0,
        )
        served = local.serve(cluster, self.credentials[colour], lambda: None)
        self.handles[colour] = ClusterHandle.model_validate(served["handle"])

    def serve_balancer(self) -> None:
        """What `up` does to the balancer: start it, or leave it as it is."""
        balancer = balancing.Wanted(
            live="blue",
            clusters=self.handles,
            editions={"blue": "ee", "green": "ee"},
            directory=self.directory / "balancer",
            address=None,
            max_connections=self.max_connections,
            back_seconds=1,
            replicas=1,
        )
        self.balancer = balancing.serve(balancer, self.credentials)

    @property
    def router(self) -> Router:
        return router_of(self.balancer)

    def share(self) -> int:
        return asyncio.run(self.router.share())

    def bounded(self) -> int | None:
        """How many connections the balancer lets green have; None: as many as come."""
        shown = runtime.ask(self.balancer.admin[0], "show stat green 4 -1", SECONDS)
        most = [int(row["slim"] or 0) for row in csv.DictReader(shown.strip().removeprefix("# ").splitlines())]
        return sum(most) or None

    def memory(self) -> Mapping[str, str]:
        return asyncio.run(ledger_of(self.balancer).read()).memory

    @property
    def replica(self) -> Path:
        """Where the only HAProxy works."""
        return self.directory / "balancer" / "1"

    # -- faults ---------------------------------------------------------------------------------------------------

    def fault(self, colour: Colour, kind: str, **options: Any) -> None:
        ready = local.running(self.directory / "clusters" / colour)
        assert ready is not None
        control(f"{ready['control']}/faults", "POST", {"kind": kind, **options})

    def heal(self) -> None:
        for colour in COLOURS:
            ready = local.running(self.directory / "clusters" / colour)
            assert ready is not None
            httpx.delete(f"{ready['control']}/faults", timeout=SECONDS, verify=authorities()).raise_for_status()
            self.fault(colour, "revive")

    def api(self, colour: Colour, method: str, path: str, body: Any = None) -> Any:
        auth, url = self._key(colour), f"{self.handles[colour].nodes[0].api}/api/v5{path}"
        for _ in range(20):
            answer = httpx.request(method, url, json=body, auth=auth, timeout=SECONDS, verify=authorities())
            if answer.status_code != 500:
                break
            time.sleep(0.25)  # two seconds around a join are normal
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def _key(self, colour: Colour) -> tuple[str, str]:
        return self.credentials[colour].api_key, self.credentials[colour].api_secret

    def configure(self, colour: Colour, text: str) -> None:
        """Lay HOCON on the colour's configuration."""
        url = f"{self.handles[colour].nodes[0].api}/api/v5/configs?mode=merge"
        head, auth = {"content-type": "text/plain"}, self._key(colour)
        httpx.put(url, content=text, headers=head, auth=auth, timeout=SECONDS, verify=authorities()).raise_for_status()

    def node(self, colour: Colour, number: int) -> str:
        return self.handles[colour].nodes[number].name

    # -- what is seen -----------------------------------------------------------------------------------------------

    def live(self) -> dict[str, int]:
        return {
            colour: sum(node.get("live_connections", 0) for node in self.api(colour, "GET", "/nodes"))
            for colour in COLOURS
        }

    def last_run(self) -> list[dict[str, Any]]:
        """What the run that was begun last has written."""
        journal = self.journal()[self._begun :]
        return [event for event in journal if event["run"] == journal[-1]["run"]]

    def wait(self, what: Callable[[], bool], seconds: float = SECONDS) -> None:
        """Until it is so; the journal's end is shown when it is not."""
        end = time.monotonic() + seconds
        while not what():
            assert time.monotonic() < end, (self.live(), self.journal()[-5:])
            time.sleep(0.02)

    def moved(self, step: str) -> int:
        """Clients that this run has moved in the step."""
        return sum(event["count"] for event in self.last_run() if event["event"] == "move" and event["step"] == step)

    # -- acting -------------------------------------------------------------------------------------------------------

    def up(
        self,
        to: Colour = "green",
        *,
        data: bool = False,
        steps: Sequence[Mapping[str, Any]] = ({"share": 10}, {"share": 50}, {"share": 100}),
        budget: int = 40,
        before: Mapping[str, Callable[[], None]] | None = None,
        gates: Mapping[str, Any] | None = None,
        mover: Mover = "kick",
    ) -> str:
        """What the chain does in one update; its direction. ``data`` carries the data too, ``before`` acts before a link."""
        self._begun = len(self.journal())
        first = self._first(to, budget)
        handed = {**self._world(), "to": to, "run": first["token"], "direction": first["direction"]}
        manner: dict[str, Any] = {
            "steps": [step.model_dump(mode="json") for step in parse_steps(steps)],
            "budgetPerSecond": budget,
            "mover": {"mover": mover, "shuts": True},
            "evacuation": {"waitHealthCheckSeconds": 1, "waitTakeoverSeconds": 0},
            "gates": {**QUICK, **(gates or {})},
        }
        links: list[tuple[Any, str, dict[str, Any]]] = []
        if data:
            links += [(DataExportProvider, "export", {"carryApiKeys": False}), (DataImportProvider, "import", {})]
        for step in manner["steps"]:
            more = {"step": step["name"], "share": step["share"], "manner": manner}
            links.append((TrafficShiftProvider, str(more["step"]), more))
        links.append((DrainProvider, "drain", {"manner": manner}))
        exported: dict[str, Any] = {}
        for kind, name, more in links:
            if before and name in before:
                before[name]()
            data_of = {"exported": exported} if kind in {DataImportProvider, DrainProvider} else {}
            facts = self._act(kind(), {"name": name, **handed, "after": first["token"], **more, **data_of})["facts"]
            exported = facts if kind is DataExportProvider else exported
        return str(first["direction"])

    def start(self, *arguments: Any, **options: Any) -> Future[str]:
        """The same beside us."""
        self._begun = len(self.journal())
        return self._beside.submit(self.up, *arguments, **options)

    def _first(self, to: Colour, budget: int) -> dict[str, Any]:
        declared = [{"colour": colour} for colour in COLOURS]
        intent: dict[str, Any] = {
            "live": to,
            "declared": declared,
            "steps": [],
            "strategy": "two-cluster",
            "budgetPerSecond": budget,
        }
        intent["acknowledge"] = ["sessions"] if self.persistent_fraction else []
        return self._act(CutoverProvider(), {"name": "cutover", "to": to, **self._world(), **intent})

    def _world(self) -> dict[str, Any]:
        clusters = {colour: handle.model_dump(mode="json") for colour, handle in self.handles.items()}
        return {
            "clusters": clusters,
            "balancer": self.balancer.model_dump(mode="json"),
            "workDirectory": str(self.directory),
        }

    def _act(self, provider: Any, props: dict[str, Any]) -> dict[str, Any]:
        provider.credentials = self.credentials
        assert not provider.check({}, props).failures
        made: dict[str, Any] = provider.create(props).outs
        return made

    # -- beginning and end -----------------------------------------------------------------------------------------

    async def _forget(self) -> None:
        ledger = ledger_of(self.balancer)
        for colour, nodes in (await self.router.servers()).items():
            for node in nodes:
                await set_server(self.router, ledger, colour, node, "ready", holder=None)
        await set_share(self.router, ledger, 0, holder=None)
        async with ledger.held(None) as writing:
            await writing.write(dict.fromkeys(writing.record.memory))

    def reset(self) -> None:
        """Everybody on blue, nothing remembered, nothing wrong; disconnects count from here."""
        self.heal()
        for colour in COLOURS:
            for entry in self.api(colour, "GET", "/load_rebalance/global_status")["evacuations"]:
                self.api(colour, "POST", f"/load_rebalance/{entry['node']}/evacuation/stop")
        if not balancing.running(self.directory / "balancer"):
            self.serve_balancer()
        asyncio.run(self._forget())
        self.wait(lambda: all(all(nodes.values()) for nodes in asyncio.run(self.router.health()).values()))
        rows = self.api("green", "GET", "/clients?limit=10000&fields=clientid")["data"]
        self.api("green", "POST", "/clients/kickout/bulk", [row["clientid"] for row in rows])
        self.wait(lambda: self.live() == {"blue": self.clients, "green": 0})
        self.lines.clear()
        self.devices.mark()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            for colour in COLOURS:
                stack.callback(local.stop, self.directory / "clusters" / colour)
            with ThreadPoolExecutor() as both:
                list(both.map(self.serve_cluster, COLOURS))
            stack.callback(balancing.stop, self.directory / "balancer")
            self.serve_balancer()
            stack.enter_context(progress_into(self.lines))
            self._beside = stack.enter_context(ThreadPoolExecutor())
            self.wait(lambda: all(all(nodes.values()) for nodes in asyncio.run(self.router.health()).values()))
            self.devices = Devices(
                self.balancer.mqtt, self.clients, kinds=self.kinds, persistent_fraction=self.persistent_fraction
            )
            stack.callback(self.devices.end)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
