"""The lab clusters that stand for the recorded ones, and the names of each side as the other side's.

The rule: a recorded request is sent as it was, with our names in it; names that a server made are learnt from its answers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import httpx

from lab.node import network
from lab.node.api.host import Settings
from lab.node.membership import Membership
from lab.node.process import Lodging, Managed
from tests.lab.recordings.passing import Passing

KEY = "lab:lab-secret-lab-secret"
ENVIRONMENT = {"EMQX_DASHBOARD__DEFAULT_PASSWORD": "Public123x"}


class World:
    """Lab clusters that stand for the recorded ones, found by the first three parts of the recorded address."""

    def __init__(self, directory: Path, clusters: dict[str, dict[str, Any]], keys: str = f"{KEY}\n") -> None:
        """``clusters``: recorded network -> settings of the lab cluster that takes its place.

        ``joins`` among them is the network of the one that its nodes join, ``hosts`` the last parts of their recorded addresses unless 1, 2, ..
        """
        self.directory, self.wanted, self.keys = directory, clusters, keys
        self.clusters: dict[str, Managed] = {}
        self._networks: list[str] = []
        self.names: dict[str, str] = {}
        self.archives: dict[str, bytes] = {}
        self.devices: list[Any] = []
        self.marks: dict[str, float] = {}
        self.time = Passing(0.0)
        self.client = httpx.AsyncClient(timeout=30)

    async def __aenter__(self) -> Self:
        keys = self.directory / "keys"
        keys.write_text(self.keys)
        for recorded, options in self.wanted.items():
            prefix, environment = network.allocate(), ENVIRONMENT | {"EMQX_API_KEY__BOOTSTRAP_FILE": str(keys)}
            joins, hosts = options.get("joins"), options.get("hosts", ())
            wanted = {name: value for name, value in options.items() if name not in {"joins", "hosts"}}
            settings = Settings(directory=self.directory / recorded, network=prefix, **wanted)
            self.names[f"{recorded}."] = f"{prefix}."
            self.names |= {f"{recorded}.{host}": f"{prefix}.{number}" for number, host in enumerate(hosts, 1)}
            self._networks.append(prefix)
            if joins is not None:
                await self.membership(joins).lodge(Lodging(prefix, settings), environment)
                continue
            managed = Managed(settings, environment, prefix)
            self.clusters[recorded] = managed
            Membership(managed, environment)
            await managed.start()
        return self

    def membership(self, recorded: str) -> Membership:
        """Who moves the nodes of a cluster and of those that have joined it."""
        found = self.clusters[recorded].membership
        assert isinstance(found, Membership)
        return found

    def node(self, recorded: str) -> str:
        """The name of the node that stands for the one at this address."""
        return f"emqx@{self.here(recorded)}"

    async def __aexit__(self, *_: object) -> None:
        for device in self.devices:
            await device.close()
        await self.client.aclose()
        for recorded in self.clusters:
            await self.membership(recorded).stop()
        for prefix in self._networks:
            network.release(prefix)

    async def restart(self, recorded: str, keys: str) -> None:
        """Stop a cluster's process and start it again on the same data with another bootstrap file."""
        old = self.clusters[recorded]
        await old.stop()
        path = self.directory / "keys"
        path.write_text(keys)
        managed = Managed(old.settings, ENVIRONMENT | {"EMQX_API_KEY__BOOTSTRAP_FILE": str(path)}, old.network)
        self.clusters[recorded] = managed
        Membership(managed, {})
        await managed.start()

    def here(self, text: str) -> str:
        """Recorded names as the lab's."""
        return _replace(text, self.names.items())

    def there(self, text: str) -> str:
        """The lab's names as the recorded ones."""
        return _replace(text, ((ours, theirs) for theirs, ours in self.names.items()))

    async def send(self, pair: dict[str, Any], upload: Upload | None = None) -> httpx.Response:
        """One recorded request, with our names in it."""
        headers = {}
        auth = pair.get("auth", "")
        if auth.startswith("basic "):
            import base64

            headers["authorization"] = "Basic " + base64.b64encode(self.here(auth[6:]).encode()).decode()
        elif auth.startswith("bearer "):
            headers["authorization"] = "Bearer " + await self._token(auth[7:], pair)
        elif auth:
            headers["authorization"] = auth
        if pair.get("accept"):
            headers["accept"] = pair["accept"]
        url = "http://" + _with_port(self.here(pair["url"]))
        if upload is not None:
            files = {upload.field: (upload.name, upload.data, "application/octet-stream")}
            return await self.client.request(pair["method"], url, headers=headers, files=files)
        content = None
        if "body" in pair:
            content = self.here(pair["body"] if isinstance(pair["body"], str) else json.dumps(pair["body"]))
            headers |= {"content-type": pair["media"]} if "media" in pair else {}
        return await self.client.request(pair["method"], url, headers=headers, content=content)

    async def _token(self, recorded: str, pair: dict[str, Any]) -> str:
        """Our token for a recorded one; a login of another file is made up for."""
        if recorded not in self.names:
            host = _with_port(self.here(pair["url"]).partition("/")[0] + "/")
            body = {"username": "admin", "password": "Public123x"}
            self.names[recorded] = (await self.client.post(f"http://{host}api/v5/login", json=body)).json()["token"]
        return self.names[recorded]

    def learn(self, recorded: Any, ours: Any) -> None:
        """Names that the server made (tokens, keys, file names, message ids) are those of the other side from now on."""
        if isinstance(recorded, dict) and isinstance(ours, dict):
            made = ("token", "filename", "msgid") + (("api_key", "api_secret") if "api_secret" in recorded else ())
            made += ("inserted_at", "start", "position")
            for name in made:
                if (
                    isinstance(recorded.get(name), str)
                    and isinstance(ours.get(name), str)
                    and recorded[name] != ours[name]
                ):
                    self.names[recorded[name]] = ours[name]
            for name, value in recorded.items():
                self.learn(value, ours.get(name))
        elif isinstance(recorded, list) and isinstance(ours, list):
            for one, other in zip(recorded, ours, strict=False):
                self.learn(one, other)


@dataclass(frozen=True)
class Upload:
    """A multipart request."""

    name: str
    data: bytes
    field: str = "filename"


def _replace(text: str, names: Iterable[tuple[str, str]]) -> str:
    for old, new in sorted(names, key=lambda one: -len(one[0])):
        if old.endswith("."):
            text = re.sub(rf"(?:(?<![\w.])|(?<=%40)){re.escape(old)}", new, text)
        else:
            text = text.replace(old, new)
    return text


def _with_port(url: str) -> str:
    host, slash, rest = url.partition("/")
    return f"{host}:18083{slash}{rest}"
