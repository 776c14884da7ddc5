"""Replays the recorded requests against lab clusters and says where an answer differs from the recorded one.

The rule: nothing is passed over in silence.  A pair is compared, or it stands in `EXCLUDED` with its reason; what may
differ inside a compared pair (times, sizes, ids, loads) stands in `FREE` and is compared by type.
"""

from __future__ import annotations

import io
import json
import re
import tarfile
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import httpx

from lab.node import network
from lab.node.api import hocon
from lab.node.process import Managed, Settings

HERE = Path(__file__).parent
KEY = "lab:lab-secret-lab-secret"
ENVIRONMENT = {"EMQX_DASHBOARD__DEFAULT_PASSWORD": "Public123x"}

FREE = frozenset(
    [
        "send_msg",
        "send_msg.qos1",
        "subscriptions_cnt",
        "t",
        "ms",
        "time_stamp",
        "current_connections",
        "load1",
        "load5",
        "load15",
        "uptime",
        "node_uptime",
        "memory_total",
        "memory_used",
        "process_used",
        "process_available",
        "max_fds",
        "otp_release",
        "log_path",
        "sys_path",
        "connections",
        "cluster_sessions",
        "live_connections",
        "size",
        "created_at",
        "created_at_sec",
        "at",
        "last_modified_at",
        "publish_at",
        "expected_at",
        "inserted_at",
        "start",
        "position",
        "msgid",
        "id_of_message",
        "token",
        "api_key",
        "api_secret",
        "create_time",
        "connected_at",
        "disconnected_at",
        "port",
        "ip_address",
        "heap_size",
        "reductions",
        "mailbox_len",
        "recv_cnt",
        "recv_oct",
        "recv_pkt",
        "send_cnt",
        "send_oct",
        "send_pkt",
        "rules",
        "cursor",
        "cookie",
        "data_dir",
        "default_password",
        "bootstrap_file",
        "delayed_remaining",
        "name_of_key",
        "description",
        "otp",
        "customer",
        "start_at",
        "activate_at",
        "duration",
    ]
)
"""Keys whose values are compared by type only."""


@dataclass(frozen=True)
class Excluded:
    """A pair that is not compared: how it is recognised, and why it cannot be."""

    file: str
    url: str = ""
    note: str = ""
    method: str = ""
    reason: str = ""

    def fits(self, file: str, pair: dict[str, Any]) -> bool:
        """Whether this is one of them; empty fields fit everything, url and note are regular expressions."""
        return (
            re.fullmatch(self.file, file) is not None
            and re.search(self.url, pair["url"]) is not None
            and re.search(self.note, pair["note"]) is not None
            and self.method in {"", pair["method"]}
        )


@dataclass
class Tally:
    """What became of one file's pairs."""

    file: str
    compared: int = 0
    excluded: dict[str, int] = field(default_factory=dict)
    differences: list[str] = field(default_factory=list)


AS_SENT: dict[tuple[str, int], dict[str, Any]] = {
    ("C_probes_ce_5.8.9", 27): {"deny_action": "disconnect"},
    ("F_mountpoint_shared_ce_5.8.9", 0): {"mountpoint": "mp/${clientid}/"},
}
"""Bodies that the recording's script changed after it had sent them (the answers show what was sent)."""


def load(name: str) -> list[dict[str, Any]]:
    """The pairs of a recording."""
    pairs: list[dict[str, Any]] = json.loads((HERE / f"{name}.json").read_text())
    for pair in pairs:
        if (name, pair["n"]) in AS_SENT:
            pair["body"] |= AS_SENT[name, pair["n"]]
    return pairs


class World:
    """Lab clusters that stand for the recorded ones, found by the first three parts of the recorded address."""

    def __init__(self, directory: Path, clusters: dict[str, dict[str, Any]], keys: str = f"{KEY}\n") -> None:
        """``clusters``: recorded network -> settings of the lab cluster that takes its place."""
        self.directory, self.wanted, self.keys = directory, clusters, keys
        self.clusters: dict[str, Managed] = {}
        self.names: dict[str, str] = {}
        self.archives: dict[str, bytes] = {}
        self.devices: list[Any] = []
        self.marks: dict[str, float] = {}
        self.client = httpx.AsyncClient(timeout=30)

    async def __aenter__(self) -> Self:
        keys = self.directory / "keys"
        keys.write_text(self.keys)
        for recorded, options in self.wanted.items():
            prefix = network.allocate()
            settings = Settings(directory=self.directory / recorded, network=prefix, **options)
            managed = Managed(settings, ENVIRONMENT | {"EMQX_API_KEY__BOOTSTRAP_FILE": str(keys)}, prefix)
            self.clusters[recorded] = managed
            await managed.start()
            self.names[f"{recorded}."] = f"{prefix}."
        return self

    async def __aexit__(self, *_: object) -> None:
        for device in self.devices:
            await device.close()
        await self.client.aclose()
        for managed in self.clusters.values():
            await managed.stop()
            network.release(managed.network)

    async def restart(self, recorded: str, keys: str) -> None:
        """Stop a cluster's process and start it again on the same data with another bootstrap file."""
        old = self.clusters[recorded]
        await old.stop()
        path = self.directory / "keys"
        path.write_text(keys)
        managed = Managed(old.settings, ENVIRONMENT | {"EMQX_API_KEY__BOOTSTRAP_FILE": str(path)}, old.network)
        self.clusters[recorded] = managed
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


_PATH = re.compile(r'/[^" ]*/backup/')


def differences(recorded: Any, ours: Any, path: str = "", key: str = "") -> list[str]:
    """Where two JSON values differ; keys in `FREE` are compared by type."""
    if isinstance(recorded, dict) and isinstance(ours, dict):
        out = [f"{path}: no key {name}" for name in recorded if name not in ours]
        out += [f"{path}: new key {name}" for name in ours if name not in recorded]
        return out + [
            one
            for name in recorded
            if name in ours
            for one in differences(recorded[name], ours[name], f"{path}.{name}", name)
        ]
    if isinstance(recorded, list) and isinstance(ours, list) and key not in FREE:
        if len(recorded) != len(ours):
            return [f"{path}: {len(ours)} items instead of {len(recorded)}"]
        return [
            one
            for i, (a, b) in enumerate(zip(recorded, ours, strict=True))
            for one in differences(a, b, f"{path}[{i}]", key)
        ]
    if key in FREE or (key == "id" and re.fullmatch("[0-9A-F]{32}", str(recorded))):
        return [] if _kind(recorded) == _kind(ours) else [f"{path}: {_kind(ours)} instead of {_kind(recorded)}"]
    return (
        []
        if recorded == ours and _kind(recorded) == _kind(ours)
        else [f"{path}: {ours!r:.200} instead of {recorded!r:.200}"]
    )


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    return {str: "string", list: "list", dict: "object", type(None): "null"}[type(value)]


def compare(world: World, pair: dict[str, Any], response: httpx.Response) -> list[str]:
    """Status, media type, the two headers that mean something, and the body."""
    out = []
    if response.status_code != pair["status"]:
        return [f"status {response.status_code} instead of {pair['status']}: {response.text[:300]}"]
    media = response.headers.get("content-type", "").partition(";")[0]
    if media != pair.get("type", "").partition(";")[0]:
        out.append(f"content type {media!r} instead of {pair.get('type', '')!r}")
    out += [
        f"header {name} {response.headers.get(name)!r} instead of {pair.get(name)!r}"
        for name in ("retry-after", "www-authenticate")
        if response.headers.get(name) != pair.get(name)
    ]
    answer = pair.get("answer")
    if media == "application/json" and not isinstance(answer, str):
        world.learn(answer, json.loads(response.text))
        # A path on the recorded machine's disk means the same as one on ours.
        ours = json.loads(_PATH.sub("/backup/", world.there(response.text)))
        answer = json.loads(_PATH.sub("/backup/", json.dumps(answer)))
        return out + normal_differences(pair, answer, ours)
    if isinstance(answer, str) and "/configs" in pair["url"]:
        return out + differences(hocon.loads(answer), hocon.loads(world.there(response.text)))
    if isinstance(answer, str) and media != "application/octet-stream" and world.there(response.text) != answer:
        out.append(f"text {world.there(response.text)[:300]!r} instead of {answer[:300]!r}")
    return out


def normal_differences(pair: dict[str, Any], recorded: Any, ours: Any) -> list[str]:
    """The differences of two bodies after what is unordered by nature has been brought into one order."""
    if pair["status"] == 500 and isinstance(recorded, dict):
        return differences({"code": recorded.get("code")}, {"code": ours.get("code")})
    if re.search(r"/(stats|metrics|monitor)", pair["url"]):
        recorded, ours = _shape(recorded), _shape(ours)
    return differences(_ordered(recorded), _ordered(ours))


def _shape(value: Any) -> Any:
    """A body of counters: every number is 0, what was counted depends on what ran before."""
    if isinstance(value, dict):
        return {name: _shape(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_shape(one) for one in value]
    return 0 if _kind(value) == "number" else value


def _ordered(value: Any) -> Any:
    """Rows of nodes, topics and keys in one order: Erlang's tables list them as they hash."""
    if isinstance(value, dict):
        return {name: _ordered(one) for name, one in value.items()}
    if not isinstance(value, list):
        return value
    rows = [_ordered(one) for one in value]
    if rows and all(isinstance(row, dict) for row in rows):
        if all("inserted_at" in row and "payload" in row for row in rows):
            # Nodes race: the recorded order of arrival is not the same for two sessions.
            return sorted(rows, key=lambda row: str(row["payload"]))
        for name in ("core_node", "clientid", "user_id", "username", "who", "id", "topic", "node", "name"):
            if all(name in row for row in rows):
                return sorted(rows, key=lambda row: (str(row[name]), str(row.get("topic")), str(row.get("node"))))
    return rows


Before = Callable[["World", dict[str, Any]], Awaitable[None]]
Maker = Callable[["World", dict[str, Any]], "Upload | None"]


async def replay(
    world: World, file: str, excluded: Iterable[Excluded], make: Maker | None = None, before: Before | None = None
) -> Tally:
    """Replay one file; excluded pairs are still sent when they change something, only their answers are not compared."""
    tally = Tally(file)
    for pair in load(file):
        if before is not None:
            await before(world, pair)
        why = next((one for one in excluded if one.fits(file, pair)), None)
        upload = make(world, pair) if make is not None and "multipart" in pair.get("media", "") else None
        if why is not None and why.reason.startswith("not sent"):
            tally.excluded[why.reason] = tally.excluded.get(why.reason, 0) + 1
            continue
        response = await world.send(pair, upload)
        if upload is None and pair["method"] == "GET" and "/data/files/" in pair["url"] and response.status_code == 200:
            world.archives[pair["url"].partition("?")[0].rpartition("/")[2]] = response.content
        if why is not None:
            world.learn(pair.get("answer"), _json(response))
            tally.excluded[why.reason] = tally.excluded.get(why.reason, 0) + 1
            continue
        tally.compared += 1
        tally.differences += [
            f"{file} #{pair['n']} [{pair['note']}] {pair['method']} {pair['url']}: {one}"
            for one in compare(world, pair, response)
        ]
    return tally


def _json(response: httpx.Response) -> Any:
    try:
        return response.json()
    except ValueError:
        return None


def repack(raw: bytes, base: str, change: Callable[[dict[str, bytes]], None]) -> bytes:
    """An archive with another top directory and other members."""
    with tarfile.open(fileobj=io.BytesIO(raw)) as tar:
        files = {one.name.partition("/")[2]: (tar.extractfile(one) or io.BytesIO()).read() for one in tar}
    change(files)
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(f"{base}/{name}")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()
