"""HAProxy in the pods of a Deployment: the same router, over the pods that there are at this moment.

The rule: the ledger decides. A pod begins with the share of the ConfigMap, and a share is set on every pod that runs, ready or not; where one has another all the same,
because it began while the share changed, it gets the ledger's at the next question. A pod that is leaving takes nobody any more and keeps its clients, who are
closed through its master.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from components.cutover.capabilities import HAPROXY_PODS
from components.emqx.errors import NotNow, Retryable, Unreachable, UpgradeError
from components.emqx.models import BalancerHandle
from components.emqx.told import told
from components.kubernetes import forward, names, patience
from components.kubernetes.loop import wait
from components.kubernetes.place import Place
from components.kubernetes.pods import Pod, listed, why
from components.ledger import files as maps
from components.ledger.config_map import ConfigMapLedger
from components.routers.base import Bound, Capabilities, Router
from components.routers.haproxy.kept import Kept
from components.routers.haproxy.router import HaproxyRouter, capabilities_of
from components.routers.haproxy.several import Several
from components.routers.haproxy.workers import MASTER

ADMIN = "admin.sock"
FRESH_SECONDS = 1.0
"""A list of pods is good for so long: the questions of a batch are no questions to the API server."""
PATIENCE_SECONDS = 10.0
TIMEOUT_SECONDS = 5.0
POLL_SECONDS = 0.3
MAP = f"{names.SHARE_DIRECTORY}/{maps.SHARE}"
KEPT = Kept()
"""Of the process, as the forwards below are: each link has a router of its own."""
T = TypeVar("T")
_Act = Callable[[HaproxyRouter], Awaitable[None]]


def _serves(pod: Pod) -> bool:
    return pod.ready and not pod.leaving


class PodsRouter(Several):
    """Router over the pods of a balancer.

    Args:
        handle: ``pods`` is their namespace, ``maps`` the name that they are found by.
        patience_seconds: for how long one that begins may take to answer.

    """

    def __init__(self, handle: BalancerHandle, *, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self._handle, self._patience_seconds = handle, patience_seconds
        self._place = handle.pods or Place(namespace="default")
        self._labels = names.balancer_labels(handle.maps)
        self._seen: tuple[float, Sequence[Pod]] | None = None

    @property
    def can(self) -> Capabilities:
        """As HAProxy everywhere, further away; nobody comes by WebSocket where it does not listen for it."""
        return capabilities_of(self._handle, HAPROXY_PODS)

    @property
    def end_command(self) -> str:
        """The Deployment with its pods."""
        return f"kubectl --namespace {self._place.namespace} delete deployment {names.balancer(self._handle.maps)}"

    def replicas(self) -> Sequence[Router]:
        """A router for each pod that is ready."""
        try:
            with told("listing the balancer's pods", self._place.namespace):
                pods = wait(listed(self._place, self._labels), PATIENCE_SECONDS)
            return [self._over(wait(self._paths([pod]), PATIENCE_SECONDS), []) for pod in pods if _serves(pod)]
        except (UpgradeError, OSError):
            return [self]

    async def bound(self, bounds: Sequence[Bound]) -> None:
        """Let no more clients in than this, over the pods that take any."""
        await (await self._now()).bound(bounds)

    async def _asked(self, ask: Callable[[HaproxyRouter], Awaitable[T]]) -> T:
        async def once() -> T:
            return await ask(await self._now())

        return await self._lasting(once)

    async def _ordered(self, act: _Act) -> None:
        await self._lasting(lambda: self._on_each(act))

    async def _remembered(self) -> int | None:
        return (await ConfigMapLedger(self._place, names.ledger(self._handle.maps)).read()).share

    async def _lasting(self, work: Callable[[], Awaitable[T]]) -> T:
        """The result; what was lost because the API server was away is done anew once it is back."""
        end = time.monotonic() + patience.patience_seconds()
        while True:
            began = time.monotonic()
            try:
                return await work()
            except Retryable:
                if not patience.failed_since(began) or time.monotonic() > end:
                    raise
            await self._pods(fresh=True)  # which waits for it

    async def _now(self) -> HaproxyRouter:
        """The router over the pods that take clients, and those that are leaving.

        Raises:
            Unreachable: none is ready; with the reason of one.

        """
        pods = await self._pods()
        ready = [pod for pod in pods if _serves(pod)]
        if not ready:
            raise Unreachable(
                "asking the balancer",
                node=names.balancer(self._handle.maps),
                seen=f"none of its {len(pods)} pods is ready{await self._reason(pods)}",
                todo="run pulumi up, which brings it back",
            )
        leaving = [pod for pod in pods if pod.leaving and pod.running]
        paths, left = await self._paths(ready), await self._paths(leaving)
        KEPT.only([*paths, *(str(Path(one).with_name(MASTER)) for one in left)])
        return self._over(paths, left)

    async def _reason(self, pods: Iterable[Pod]) -> str:
        for pod in pods:
            if not pod.leaving:
                return f": {pod.name} {pod.waits} {await why(self._place, 'Pod', pod.name, names.BALANCER_CONTAINER)}"
        return ""

    async def _pods(self, *, fresh: bool = False) -> Sequence[Pod]:
        now = time.monotonic()
        if fresh or self._seen is None or now - self._seen[0] > FRESH_SECONDS:
            with told("listing the balancer's pods", self._place.namespace):
                self._seen = now, await listed(self._place, self._labels, names.BALANCER_CONTAINER)
        return self._seen[1]

    async def _paths(self, pods: Iterable[Pod]) -> list[str]:
        """Of their admin sockets, with that of their master beside each."""
        paths = []
        for pod in pods:
            await forward.socket(self._place, pod.name, names.MASTER_PORT, MASTER)
            paths.append(await forward.socket(self._place, pod.name, names.ADMIN_PORT, ADMIN))
        return paths

    def _over(self, admin: Sequence[str], leaving: Sequence[str]) -> HaproxyRouter:
        handle = self._handle.model_copy(update={"admin": tuple(admin)})
        return HaproxyRouter(
            handle,
            timeout_seconds=TIMEOUT_SECONDS,
            patience_seconds=self._patience_seconds,
            leaving=leaving,
            way=KEPT,
            map_=MAP,
        )

    async def _on_each(self, act: _Act) -> None:
        """Act on every pod that runs; one that is not ready may need a moment, and one that begins meanwhile is not left out."""
        done: set[str] = set()
        end = time.monotonic() + self._patience_seconds
        while True:
            pods = [pod for pod in await self._pods(fresh=True) if pod.running and not pod.leaving]
            new = [pod for pod in pods if pod.uid not in done]
            ready = [pod for pod in new if pod.ready]
            if ready:
                await act(self._over(await self._paths(ready), []))
            done |= {pod.uid for pod in ready}
            starting = [pod for pod in new if not pod.ready]
            done |= {pod.uid for pod in starting if await self._acted(act, pod)}
            if not done:
                await self._now()  # which says what is wrong with them
            if not new or {pod.uid for pod in pods} <= done:
                return
            if time.monotonic() > end:
                return  # what does not answer takes nobody, and begins with what the ledger says
            await asyncio.sleep(POLL_SECONDS)

    async def _acted(self, act: _Act, pod: Pod) -> bool:
        try:
            await act(self._over(await self._paths([pod]), []))
        except (Unreachable, NotNow):
            return False
        return True
