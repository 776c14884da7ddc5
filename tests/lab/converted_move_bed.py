"""A 4.4 by its recorded answers with an export and files on disk, beside a lab cluster of 5.8 that gets it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from components.emqx.models import ClusterHandle, Credentials, ExportsAccess, MqttAccount, Node
from components.emqx.v4.cluster import ClusterApi as OldApi
from components.links.birth import Wanted
from components.links.conversion import ConversionResult, convert
from components.links.converted_import import import_converted
from components.links.data_export import ExportResult, export
from components.links.data_import import ImportResult
from tests.lab.data_bed import KEY, Bed, Cluster, bed, cluster
from tests.unit.hop_44_5_bed import user

NODE = "old@127.0.0.9"
PLUGINS = ("emqx_auth_mnesia", "emqx_management", "emqx_retainer", "emqx_rule_engine")
CONF = "allow_anonymous = false\nacl_nomatch = deny\nzone.external.enable_ban = on\nlistener.tcp.external = 0.0.0.0:1883\nacl_file = etc/acl.conf\n"
USERS = 3
SHOP_SECRET = "planted-shop-s3cret"
ACCEPTED = ("conversion", "retained")


def rule(login: str | None, topic: str, action: str, access: str, at: int) -> dict[str, Any]:
    """A row of the built-in rules, as an export of 4.4 has it."""
    kind = "all" if login is None else "username"
    return {
        "type": kind,
        "type_value": login or "all",
        "topic": topic,
        "action": action,
        "access": access,
        "created_at": at,
    }


def document(**more: Any) -> dict[str, Any]:
    """An export of 4.4: users with the password ``secret``, of whom user-0 may not read one topic below what it may; applications, one with the name of our own key."""
    return {
        "version": "4.4",
        "auth_mnesia": [user(f"user-{number}") for number in range(USERS)],
        "acl_mnesia": [
            rule("user-0", "plant/#", "pubsub", "allow", 1),
            rule("user-0", "plant/secret", "pubsub", "deny", 2),
            *(rule(f"user-{number}", f"own/{number}/#", "pubsub", "allow", 3) for number in range(USERS)),
        ],
        "apps": [
            {"id": "shop", "secret": SHOP_SECRET, "name": "shop", "status": True, "expired": "undefined"},
            {"id": KEY, "secret": "of-somebody-else", "name": "bed", "status": True, "expired": "undefined"},
        ],
        "blacklist": [{"who": {"clientid": "badguy"}, "by": "me", "reason": "lab", "at": 1, "until": 1_900_000_000}],
        **more,
    }


@dataclass
class Old:
    """The old cluster: what its nodes have on disk, and what its API answers."""

    directory: Path
    export: Mapping[str, Any]
    plugins: Mapping[str, bool] = field(default_factory=lambda: dict.fromkeys(PLUGINS, True))
    retained: int = 0
    conf: str = CONF
    acl: str = '{deny, all, subscribe, ["$SYS/#"]}.\n'

    def __post_init__(self) -> None:
        etc = self.directory / "etc"
        etc.mkdir(parents=True)
        (self.directory / "export.json").write_text(json.dumps(self.export))
        (etc / "emqx.conf").write_text(self.conf)
        (etc / "acl.conf").write_text(self.acl)
        (etc / "loaded_plugins").write_text("".join(f"{{{name}, true}}.\n" for name in PLUGINS))
        (etc / "loaded_modules").write_text("{emqx_mod_acl_internal, true}.\n")

    def answer(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/api/v4")
        rows = [
            {"name": name, "type": "auth" if "auth" in name else "feature", "active": on}
            for name, on in self.plugins.items()
        ]
        listener = {"protocol": "mqtt:tcp", "listen_on": "0.0.0.0:1883", "identifier": "mqtt:tcp:external"}
        lists: dict[str, Any] = {
            "/nodes": [
                {"node": NODE, "node_status": "Running", "version": "4.4.19", "live_connections": 0, "connections": 0}
            ],
            "/brokers": [{"node": NODE, "sysdescr": "EMQX Broker", "datetime": "2026-11-29 06:31:21"}],
            "/plugins": [{"node": NODE, "plugins": rows}],
            "/listeners": [{"node": NODE, "listeners": [listener]}],
            "/stats": [{"node": NODE, "stats": {"retained.count": self.retained}}],
        }
        data = lists.get(path, [])
        return httpx.Response(200, json={"code": 0, "data": data, "meta": {"count": len(data), "hasnext": False}})

    def api(self) -> OldApi:
        """It, opened; its export is a file that somebody made."""
        access = ExportsAccess(kind="path", path=str(self.directory / "export.json"))
        node = Node(name=NODE, api="http://127.0.0.9:8081", mqtt="127.0.0.9:1883")
        handle = ClusterHandle(colour="blue", nodes=(node,), version="4.4.19", edition="ce", exports=access)
        key = Credentials(api_key="app", api_secret="planted-application-s3cret")
        return OldApi(handle, key, transport=httpx.MockTransport(self.answer), patience_seconds=0)

    def wanted(self, *acknowledge: str) -> Wanted:
        """What the stack says of it."""
        return Wanted(configuration=(str(self.directory / "etc"),), editions=("ce", "ee"), acknowledge=acknowledge)


@dataclass
class Move:
    """Both colours in one run, and where archives are kept."""

    old: Old
    green: Cluster
    bed: Bed
    archives: Path
    exported: ExportResult | None = None

    async def convert(self, *acknowledge: str, accounts: Sequence[MqttAccount] = ()) -> ConversionResult:
        """Export and convert."""
        self.exported = await export(self.bed.run, "blue", self.archives, accounts=False)
        return await convert(
            self.bed.run,
            "blue",
            "green",
            self.exported,
            self.archives,
            self.old.wanted(*acknowledge),
            accounts,
            own_key=KEY,
        )

    async def bring(self, made: ConversionResult) -> ImportResult:
        """Import what was converted."""
        assert self.exported is not None
        return await import_converted(self.bed.run, "blue", "green", self.exported, made, self.archives, account=None)


@asynccontextmanager
async def moving(
    directory: Path, export: Mapping[str, Any] | None = None, *, login: bool = True, **old: Any
) -> AsyncIterator[Move]:
    """The old cluster and a new one of one node, whose dashboard login we have or not."""
    source = Old(directory / "old", document() if export is None else export, **old)
    async with (
        cluster(directory / "green", "green", "--nodes", "1") as green,
        source.api() as blue,
        green.api(login=login) as api,
    ):
        yield Move(source, green, bed(blue, api), directory / "archives")  # type: ignore[arg-type]  # any dialect
