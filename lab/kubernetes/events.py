"""Events, as the kubelet tells them: once each, counted when they come again.

The rule: telling never waits and never fails; what the API server does not take is lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from typing import Any

import httpx

from lab.kubernetes.api import Api, RefusedError
from lab.kubernetes.status import stamp

Object = dict[str, Any]


class Events:
    """The teller of a node."""

    def __init__(self, api: Api, node: str) -> None:
        """Nothing is told yet."""
        self._api, self._node = api, node
        self._told: dict[tuple[str, str, str], Object] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def tell(
        self, about: Object, reason: str, message: str, *, warning: bool = False, container: Object | None = None
    ) -> None:
        """Say something of a pod, or of one of its containers."""
        task = asyncio.get_running_loop().create_task(self._tell(about, reason, message, warning, container))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _tell(self, about: Object, reason: str, message: str, warning: bool, container: Object | None) -> None:
        meta = about["metadata"]
        key = (meta["uid"], reason, message)
        path = f"/api/v1/namespaces/{meta.get('namespace', 'default')}/events"
        with contextlib.suppress(httpx.HTTPError, RefusedError):
            if known := self._told.get(key):
                known["count"] += 1
                body = {"count": known["count"], "lastTimestamp": stamp()}
                await self._api.patch(f"{path}/{known['metadata']['name']}", body)
                return
            involved = {name: meta[name] for name in ("name", "namespace", "uid") if name in meta}
            involved |= {"kind": about.get("kind", "Pod"), "apiVersion": "v1"}
            if container is not None:
                involved["fieldPath"] = f"spec.containers{{{container['name']}}}"
            event: Object = {
                "metadata": {"name": f"{meta['name']}.{secrets.token_hex(8)}"},
                "involvedObject": involved,
                "reason": reason,
                "message": message[:1000],
                "type": "Warning" if warning else "Normal",
                "source": {"component": "kubelet", "host": self._node},
                "firstTimestamp": stamp(),
                "lastTimestamp": stamp(),
                "count": 1,
            }
            self._told[key] = event
            await self._api.create(path, event)
