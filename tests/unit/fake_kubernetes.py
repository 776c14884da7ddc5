"""An API server in memory: what the edge to Kubernetes asks is answered from objects that a test may change between two questions, and time passes by waiting only."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from components.kubernetes import api
from components.kubernetes.api import ApiError
from components.kubernetes.place import Place
from tests.unit.fake_world import Killed

Object = dict[str, Any]
STARTED = "2026-11-29T00:00:00Z"


class Passing:
    """A clock that goes on while somebody sleeps; ``at`` are moments in seconds and what happens then."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.at: list[tuple[float, Callable[[], None]]] = []

    def monotonic(self) -> float:
        return 1_000 + self.seconds

    def time(self) -> float:
        return 1_796_000_000 + self.seconds

    async def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        for moment in [one for one in self.at if one[0] <= self.seconds]:
            self.at.remove(moment)
            moment[1]()

    def replace(self, patch: pytest.MonkeyPatch, module: Any) -> None:
        """Let a module have this clock for its own."""
        patch.setattr(module, "time", SimpleNamespace(monotonic=self.monotonic, time=self.time))
        more = {name: getattr(module.asyncio, name) for name in ("to_thread", "gather", "Lock")}
        patch.setattr(module, "asyncio", SimpleNamespace(sleep=self.sleep, **more))


class FakeApi:
    """``objects`` by path below the namespace (``pods/emqx-blue-0``), ``events`` and ``logs`` by the name of theirs; ``failing`` is the status of every answer, 0 none at all; ``asked`` is every question, ``sent`` those that change something.

    Whoever asks dies with its ``dies_at``-th change, which is still made where it ``reached`` the API server.
    """

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.objects: dict[str, Object] = {}
        self.events: dict[str, list[str]] = {}
        self.logs: dict[tuple[str, bool], str] = {}
        self.failing: int | None = None
        self.asked: list[str] = []
        self.sent: list[str] = []
        self.dies_at, self.reached = 0, True
        self.deleted: Callable[[str], None] = lambda _path: None
        patch.setattr(api, "get", self.get)
        patch.setattr(api, "text", self.text)
        patch.setattr(api, "send", self.send)

    def _asked(self, tried: str) -> None:
        self.asked.append(tried)
        if self.failing is not None:
            raise ApiError(tried, "namespace mqtt", "away", self.failing or None)

    async def get(self, _place: Place, path: str, *, params: Mapping[str, str] | None = None, **_: Any) -> Any:
        self._asked(f"GET {path}")
        if path == "events":
            wanted = dict(one.split("=") for one in (params or {})["fieldSelector"].split(","))
            texts = self.events.get(wanted["involvedObject.name"], ())
            return {"items": [_event(text, number) for number, text in enumerate(texts)]}
        if path == "pods":
            wanted = dict(one.split("=") for one in (params or {}).get("labelSelector", "").split(",") if one)
            pods = [one for key, one in self.objects.items() if key.startswith("pods/")]
            return {"items": [one for one in pods if wanted.items() <= one["metadata"]["labels"].items()]}
        return json.loads(json.dumps(self._found(path)))

    async def text(self, _place: Place, path: str, *, params: Mapping[str, str] | None = None) -> str:
        self._asked(f"GET {path}")
        key = path.split("/")[1], (params or {}).get("previous") == "true"
        if key not in self.logs:
            raise ApiError(f"GET {path}", "namespace mqtt", "previous terminated container not found", 400)
        return self.logs[key]

    async def send(self, _place: Place, method: str, path: str, body: Any = None, **_: Any) -> Any:
        self._asked(f"{method} {path}")
        self.sent.append(f"{method} {path}")
        dead = 0 < self.dies_at <= len(self.sent)
        if dead and (not self.reached or self.dies_at < len(self.sent)):
            raise Killed
        answer = self._sent(method, path, body)
        if dead:
            raise Killed
        return answer

    def _sent(self, method: str, path: str, body: Any) -> Any:
        if method == "POST":
            self.objects[f"{path}/{body['metadata']['name']}"] = body
            return body
        found = self._found(path)
        if method == "DELETE":
            del self.objects[path]
            self.deleted(path)
        elif method == "PATCH":
            found = self.objects[path] = patched(found, body)
        else:
            found = self.objects[path] = body
        return found

    def _found(self, path: str) -> Object:
        if path not in self.objects:
            raise ApiError(f"GET {path}", "namespace mqtt", f"{path} not found", 404)
        return self.objects[path]

    def pod(self, name: str, labels: Mapping[str, str], container: str, **more: Any) -> Object:
        """Put a pod there, or another one of its name; ``state`` is its container's, ``ready``, ``leaving`` and ``uid`` what they say."""
        state = more.get("state", {"running": {"startedAt": STARTED}})
        leaving = {"deletionTimestamp": STARTED} if more.get("leaving") else {}
        conditions = [{"type": "Ready", "status": "True" if more.get("ready", True) else "False"}]
        made: Object = {
            "metadata": {"name": name, "uid": more.get("uid", f"uid-{name}"), "labels": dict(labels), **leaving},
            "spec": {"containers": [{"name": container, "image": "image:1.0"}]},
            "status": {
                "conditions": [*conditions, *more.get("conditions", ())],
                "containerStatuses": [{"name": container, "state": state, "restartCount": 0}],
            },
        }
        if "revision" in more:
            made["metadata"]["labels"]["controller-revision-hash"] = more["revision"]
        self.objects[f"pods/{name}"] = made
        return made


def _event(text: str, number: int) -> Object:
    reason, _, message = text.partition(": ")
    return {"reason": reason, "message": message, "lastTimestamp": f"2026-11-29T00:00:{number:02d}Z", "metadata": {}}


def patched(now: Any, change: Any) -> Any:
    """A merge patch applied (RFC 7386)."""
    if not isinstance(change, dict):
        return change
    merged = {**now} if isinstance(now, dict) else {}
    merged |= {key: patched(merged.get(key), value) for key, value in change.items()}
    return {key: value for key, value in merged.items() if value is not None}
