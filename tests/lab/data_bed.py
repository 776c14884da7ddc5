"""Two lab clusters in processes of their own, a blue one with data in every section, and a run to act in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from components.cutover.words import Colour
from components.emqx.errors import Stopped
from components.emqx.models import ClusterHandle, Credentials
from components.emqx.probes import answers
from components.emqx.v5.cluster import ClusterApi
from components.ledger.base import LEASE
from components.links.data_export import ExportResult, export
from components.links.data_import import import_
from components.run.run import Run, SystemClock
from components.system.trusted import authorities
from tests.fake_balancer import FakeLedger, FakeRouter
from tests.lab.node_process import node_process

KEY, SECRET = "bed", "planted-api-s3cret"
LOGIN = ("admin", "planted-dashboard-pw1")
USERS = "/authentication/password_based%3Abuilt_in_database/users"
ACL = "/authorization/sources/built_in_database/rules"


@dataclass
class Cluster:
    """A lab cluster that runs."""

    handle: ClusterHandle
    control: str
    process: asyncio.subprocess.Process

    def api(self, *, login: bool = False, **more: Any) -> ClusterApi:
        credentials = Credentials(
            api_key=KEY, api_secret=SECRET, username=LOGIN[0] if login else None, password=LOGIN[1] if login else None
        )
        return ClusterApi(self.handle, credentials, **more)

    async def fault(self, kind: str, **options: Any) -> None:
        async with httpx.AsyncClient(trust_env=False, verify=authorities()) as client:
            answer = await client.post(f"{self.control}/faults", json={"kind": kind, **options})
            assert answer.status_code == 200, answer.text

    async def configure(self, hocon: str) -> None:
        """Set roots of the configuration, as an operator does it with a file."""
        async with httpx.AsyncClient(trust_env=False, verify=authorities(), auth=(KEY, SECRET)) as client:
            url, plain = f"{self.handle.nodes[0].api}/api/v5/configs", {"content-type": "text/plain"}
            answer = await client.put(url, content=hocon, headers=plain)
            assert answer.status_code == 200, answer.text

    async def heal(self) -> None:
        async with httpx.AsyncClient(trust_env=False, verify=authorities()) as client:
            await client.delete(f"{self.control}/faults")


@asynccontextmanager
async def cluster(directory: Path, colour: Colour, *options: str, version: str = "5.8.11") -> AsyncIterator[Cluster]:
    """A cluster of ``--nodes 2`` unless told otherwise; stopped at the end, whatever happened."""
    nodes = () if "--nodes" in options else ("--nodes", "2")
    login = {"EMQX_DASHBOARD__DEFAULT_USERNAME": LOGIN[0], "EMQX_DASHBOARD__DEFAULT_PASSWORD": LOGIN[1]}
    words = ("--name", colour, "--version", version, *nodes, *options)
    async with node_process(directory, *words, key=(KEY, SECRET), **login) as started:
        handle = started.handle(colour, proxy_protocol="--proxy-protocol" in options)
        yield Cluster(handle, started.ready["control"], started.process)


@asynccontextmanager
async def pair(
    directory: Path,
    *,
    blue: tuple[str, ...] = (),
    green: tuple[str, ...] = (),
    versions: tuple[str, str] = ("5.8.11",) * 2,
) -> AsyncIterator[tuple[Cluster, Cluster]]:
    """Blue and green, started at once."""
    async with AsyncExitStack() as stack:
        first, second = await asyncio.gather(
            stack.enter_async_context(cluster(directory / "blue", "blue", *blue, version=versions[0])),
            stack.enter_async_context(cluster(directory / "green", "green", *green, version=versions[1])),
        )
        yield first, second


async def _not_measured(handle: ClusterHandle) -> float | None:
    return None


@dataclass
class Bed:
    """A run and what it wrote down."""

    run: Run
    ledger: FakeLedger
    events: list[dict[str, Any]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    stopped: bool = False


def bed(blue: ClusterApi, green: ClusterApi) -> Bed:
    """A run over these two clusters."""
    ledger = FakeLedger()
    ledger.memory[LEASE] = "token-of-this-run"
    found: Bed

    def interrupted() -> None:
        if found.stopped:
            raise Stopped("the update", seen="Ctrl-C", todo="run `pulumi up` again")

    events: list[dict[str, Any]] = []
    lines: list[str] = []
    warnings: list[str] = []
    run = Run(
        clusters={"blue": blue, "green": green},
        router=FakeRouter(ledger),
        ledger=ledger,
        token="token-of-this-run",
        record=lambda event, **facts: events.append({"event": event, **facts}),
        progress=lines.append,
        warn=warnings.append,
        interrupted=interrupted,
        clock=SystemClock(),
        connect_milliseconds=_not_measured,
        answers=answers,
    )
    found = Bed(run, ledger, events, lines, warnings)
    return found


async def fill(api: ClusterApi, *, retained: int = 2, order: tuple[str, ...] = ("built_in_database", "file")) -> None:
    """What recording A_setup_blue_ee_5.8.11 set up: something in every section, and rules whose order decides."""
    call = api.http.call
    hashing = {"name": "sha256", "salt_position": "suffix"}
    authenticator = {"mechanism": "password_based", "backend": "built_in_database", "user_id_type": "username"}
    await call("POST", "/authentication", body={**authenticator, "password_hash_algorithm": hashing})
    for name in ("alice", "bob"):
        await call("POST", USERS, body={"user_id": name, "password": f"{name}-pw", "is_superuser": False})
    scram = {"mechanism": "scram", "backend": "built_in_database", "algorithm": "sha256", "iteration_count": 4096}
    await call("POST", "/authentication", body=scram)
    scram_users = "/authentication/scram%3Abuilt_in_database/users"
    await call("POST", scram_users, body={"user_id": "scram1", "password": "s1-pw"})
    await call("PUT", "/authorization/settings", body={"no_match": "deny", "deny_action": "ignore"})
    await call("POST", "/authorization/sources", body={"type": "built_in_database", "enable": True})
    rules = '{allow,{username,{re,"^dashboard$"}},subscribe,["$SYS/#"]}.\n{allow,all,all,["#"]}.\n'
    await call("PUT", "/authorization/sources/file", body={"type": "file", "enable": True, "rules": rules})
    for name in reversed(order):
        await call("POST", f"/authorization/sources/{name}/move", body={"position": "front"})
    one = {"permission": "allow", "action": "all", "topic": "a/#"}
    await call("POST", f"{ACL}/users", body=[{"username": "alice", "rules": [one]}])
    await call("POST", f"{ACL}/clients", body=[{"clientid": "c1", "rules": [{**one, "action": "subscribe"}]}])
    await call("POST", f"{ACL}/all", body={"rules": [{**one, "topic": "cmd/${clientid}/#"}]})
    await call("POST", "/banned", body={"as": "clientid", "who": "bad1", "reason": "x"})
    connector = {"name": "h1", "type": "http", "url": "http://127.0.0.1:9999", "pool_size": 1, "enable": False}
    secret = {"headers": {"x-secret": "planted-header"}}
    await call("POST", "/connectors", body={**connector, **secret, "ssl": {"enable": False}})
    action = {"path": "/x", "method": "post", "headers": {}, "body": "${payload}"}
    await call("POST", "/actions", body={"name": "ha", "type": "http", "connector": "h1", "parameters": action})
    await call("POST", "/rules", body={"id": "r1", "name": "one", "sql": 'SELECT * FROM "t/#"', "actions": ["http:ha"]})
    await call(
        "PUT", "/mqtt/auto_subscribe", body=[{"topic": "auto/${clientid}", "qos": 1, "rh": 0, "rap": 0, "nl": 0}]
    )
    rewrite = {"action": "all", "source_topic": "x/#", "re": "^x/(.+)$", "dest_topic": "y/$1"}
    await call("PUT", "/mqtt/topic_rewrite", body=[rewrite])
    await call("PUT", "/mqtt/delayed", body={"enable": True, "max_delayed_messages": 0})
    await call("POST", "/mqtt/topic_metrics", body={"topic": "cmd/x"})
    for number in range(retained):
        await call("POST", "/publish", body={"topic": f"ret/{number}", "payload": "v", "retain": True, "qos": 1})
    await call("POST", "/publish", body={"topic": "$delayed/600/later", "payload": "z", "qos": 1})


async def moved(run: Run, directory: Path) -> tuple[ExportResult, list[str]]:
    """Blue's data carried to green: what was exported, and what is not the same then."""
    exported = await export(run, "blue", directory)
    return exported, list((await import_(run, "blue", "green", exported, directory)).differences)
