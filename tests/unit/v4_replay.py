"""Recordings of 4.2.14, 4.3.22 and 4.4.19 (docs/emqx/v4.md), replayed to the dialect: a request that was not recorded is answered 404, as there."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from components.emqx.models import ClusterHandle, Credentials, ExportsAccess, Node
from components.emqx.v4.cluster import ClusterApi

RECORDINGS = Path(__file__).parents[1] / "lab" / "recordings"
VERSIONS = ("4.2.14", "4.3.22", "4.4.19")
APPLICATION = Credentials(api_key="admin", api_secret="public")


def names_of(version: str) -> tuple[str, str]:
    """The two nodes of the recorded cluster."""
    line = version.replace(".", "")[:2]
    return f"emqx{line[1]}1@127.0.{line}.1", f"emqx{line[1]}2@127.0.{line}.2"


def rows_of(version: str, subject: str) -> list[dict[str, Any]]:
    """The recorded requests and answers of one subject."""
    told = json.loads((RECORDINGS / f"V_{version}_{subject}.json").read_text())
    return [
        {"name": one["name"], **one["request"], "sent": one["request"].get("body"), **one["response"]}
        for one in told
        if "request" in one
    ]


class Replay:
    """Answers each request as it was answered, in order; the last answer stays."""

    def __init__(self, version: str, *subjects: str) -> None:
        self.asked: list[tuple[str, str]] = []
        self.rows = [row for subject in subjects for row in rows_of(version, subject)]

    def only(self, wanted: Callable[[dict[str, Any]], bool]) -> Replay:
        """Only some of the answers."""
        self.rows = [row for row in self.rows if wanted(row)]
        return self

    def __call__(self, request: httpx.Request) -> httpx.Response:
        raw = request.url.raw_path.decode()
        self.asked.append((request.method, raw))
        mine = [row for row in self.rows if row["method"] == request.method]
        found = [row for row in mine if _same(row, request, raw)]
        found = found or [row for row in mine if _same(row, request, raw, paged=False)]
        if not found:
            return httpx.Response(404, text="Not found.")
        if len(found) > 1:
            self.rows.remove(found[0])
        body = found[0]["body"]
        if isinstance(body, str):
            return httpx.Response(found[0]["status"], text=body)
        return httpx.Response(found[0]["status"], json=body)


def _same(row: dict[str, Any], request: httpx.Request, raw: str, *, paged: bool = True) -> bool:
    if row["address"].split(":")[0] != request.url.host:
        return False
    recorded, asked = httpx.URL(row["path"]), httpx.URL(raw)
    if recorded.raw_path.partition(b"?")[0] != asked.raw_path.partition(b"?")[0]:
        return False
    left_out = frozenset() if paged else {"_page", "_limit"}
    return dict(recorded.params) == {key: value for key, value in asked.params.items() if key not in left_out}


def api(version: str, answer: Callable[[httpx.Request], httpx.Response], **options: Any) -> ClusterApi:
    """The recorded cluster, opened; ``exports`` is how its files come."""
    exports: ExportsAccess | None = options.pop("exports", None)
    nodes = tuple(
        Node(name=name, api=f"http://{name.partition('@')[2]}:8081", mqtt=f"{name.partition('@')[2]}:1883")
        for name in names_of(version)
    )
    handle = ClusterHandle(colour="blue", nodes=nodes, version=version, exports=exports)
    transport = httpx.MockTransport(answer)
    return ClusterApi(handle, APPLICATION, transport=transport, **{"patience_seconds": 0, **options})


def answered(**bodies: Any) -> Any:
    """Answers by the last part of the path, with ``code`` 0 where none is said."""

    def answer(request: httpx.Request) -> httpx.Response:
        name = request.url.path.rsplit("/", 1)[-1].replace("-", "_").replace("$", "")
        if name not in bodies:
            return httpx.Response(404, text="Not found.")
        body = bodies[name]
        return httpx.Response(200, json=body if isinstance(body, dict) else {"code": 0, "data": body})

    return answer
