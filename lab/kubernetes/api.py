"""The API server as the lab's own agent asks it: objects as JSON, lists that are watched.

The rule: a watch goes on whatever happens to the API server in between; whoever uses it sees a change once, in order, as an object or its absence.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

Object = dict[str, Any]
AGAIN_SECONDS, WATCH_SECONDS, ANSWER_SECONDS = 0.3, 300, 20.0
MERGE = {"content-type": "application/merge-patch+json"}
STRATEGIC = {"content-type": "application/strategic-merge-patch+json"}


class RefusedError(Exception):
    """The API server's own words, with the status."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(f"{status}: {words}")
        self.status = status


class Api:
    """A client with its certificate."""

    def __init__(self, server: str, authority: Path, user: Path) -> None:
        """Nothing is asked yet."""
        context = ssl.create_default_context(cafile=str(authority))
        context.load_cert_chain(user.with_suffix(".crt"), user.with_suffix(".key"))
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=20)
        self.http = httpx.AsyncClient(base_url=server, verify=context, limits=limits, timeout=ANSWER_SECONDS)

    async def get(self, path: str, **query: str) -> Object:
        """One object, or a list; RefusedError with 404 when it is not there."""
        return await self._asked("GET", path, params=query)

    async def create(self, path: str, body: Object) -> Object:
        """Add an object to a list."""
        return await self._asked("POST", path, json=body)

    async def ensure(self, path: str, body: Object) -> None:
        """Add it unless it is there."""
        try:
            await self.create(path, body)
        except RefusedError as refused:
            if refused.status != httpx.codes.CONFLICT:
                raise

    async def patch(self, path: str, body: Object, headers: dict[str, str] = MERGE) -> Object:
        """Lay some fields on an object."""
        return await self._asked("PATCH", path, content=json.dumps(body), headers=headers)

    async def delete(self, path: str, body: Object | None = None) -> None:
        """Take an object away; one that is gone is gone."""
        try:
            await self._asked(
                "DELETE", path, content=json.dumps(body or {}), headers={"content-type": "application/json"}
            )
        except RefusedError as refused:
            if refused.status not in {httpx.codes.NOT_FOUND, httpx.codes.CONFLICT}:
                raise

    async def persist(self, act: Callable[[], Any]) -> Any:
        """Do something until the API server answers, whatever it answers."""
        while True:
            try:
                return await act()
            except httpx.TransportError:
                await asyncio.sleep(AGAIN_SECONDS)

    async def _asked(self, method: str, path: str, **more: Any) -> Object:
        answer = await self.http.request(method, path, **more)
        if answer.is_error:
            try:
                words = str(answer.json().get("message", ""))
            except ValueError:
                words = answer.text[:200]
            raise RefusedError(answer.status_code, words)
        found: Object = answer.json()
        return found


class Watched:
    """A list that is kept up to date; ``changed`` is told the old and the new form of an object, either of which may be None."""

    def __init__(
        self, api: Api, path: str, changed: Callable[[Object | None, Object | None], None], **query: str
    ) -> None:
        """Nothing is known until `run` has listed once, which sets ``known``."""
        self._api, self._path, self._changed, self._query = api, path, changed, query
        self.items: dict[str, Object] = {}
        self.known = asyncio.Event()

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            try:
                version = await self._list()
                self.known.set()
                await self._follow(version)
            except (httpx.HTTPError, RefusedError, ValueError):
                await asyncio.sleep(AGAIN_SECONDS)

    async def _list(self) -> str:
        listed = await self._api.get(self._path, **self._query)
        found = {key_of(item): item for item in listed["items"]}
        for key in self.items.keys() - found.keys():
            self._tell(key, None)
        for key, item in found.items():
            if self.items.get(key) != item:
                self._tell(key, item)
        return str(listed["metadata"]["resourceVersion"])

    async def _follow(self, version: str) -> None:
        query = {**self._query, "watch": "1", "resourceVersion": version, "timeoutSeconds": str(WATCH_SECONDS)}
        timeout = httpx.Timeout(ANSWER_SECONDS, read=2 * WATCH_SECONDS)
        async with self._api.http.stream("GET", self._path, params=query, timeout=timeout) as answer:
            answer.raise_for_status()
            async for line in answer.aiter_lines():
                event = json.loads(line)
                if event["type"] == "ERROR":
                    return
                item = event["object"]
                self._tell(key_of(item), None if event["type"] == "DELETED" else item)

    def _tell(self, key: str, item: Object | None) -> None:
        old = self.items.pop(key, None)
        if item is not None:
            self.items[key] = item
        self._changed(old, item)


def key_of(item: Object) -> str:
    """``namespace/name``; ``/name`` of what has no namespace."""
    meta = item["metadata"]
    return f"{meta.get('namespace', '')}/{meta['name']}"
