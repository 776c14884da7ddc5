"""Objects of an API server as JSON, by kr8s: who we are is the kubeconfig's business or that of the pod we run in (KUBECONFIG, ``~/.kube/config``, service account).

The rule: one connection for each context, kept on the loop of ``components.kubernetes.loop``; whatever fails is an ApiError, and none carries a credential.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import time
import warnings
from collections.abc import Coroutine, Mapping
from typing import Any, Literal

import httpx

from components.kubernetes import patience
from components.kubernetes.loop import at_end, there
from components.kubernetes.place import Place

KUBECONFIG = "~/.kube/config"
"""Where kr8s looks by itself; where there is none it is the service account of the pod that we are."""
SECONDS = 10.0
"""For one request: a list of some hundred pods takes less than one."""
_connected: dict[tuple[str | None, str | None], asyncio.Future[Any]] = {}


class ApiError(Exception):
    """What the API server answered, or that it did not: ``status`` is None then, and ``away`` whether it could not be reached."""

    def __init__(self, tried: str, where: str, seen: str, status: int | None = None, *, away: bool = False) -> None:
        """Keep the parts."""
        self.tried, self.where, self.seen, self.status, self.away = tried, where, seen, status, away
        super().__init__(f"{tried} in {where}: {seen}")

    @property
    def passes(self) -> bool:
        """Whether the same question may be answered in a moment."""
        return self.away if self.status is None else self.status == 429 or self.status >= 500


def leaks() -> tuple[type[Exception], ...]:
    """All that a request can fail with; kr8s is imported where it is used only, since it takes longer than all of a small update's questions."""
    import httpx_ws
    import kr8s

    own = (kr8s.APITimeoutError, kr8s.ServerError, ExceptionGroup)
    return (
        *own,
        httpx.HTTPError,
        httpx.InvalidURL,
        httpx_ws.HTTPXWSException,
        ssl.SSLError,
        OSError,
        ValueError,
        KeyError,
    )


async def get(
    place: Place,
    path: str,
    *,
    params: Mapping[str, str] | None = None,
    version: str = "v1",
    scope: Literal["namespace", "cluster"] = "namespace",
) -> Any:
    """An object or a list of the namespace, ``pods``, ``configmaps/name``, or of the whole cluster; ApiError of status 404 where there is none."""
    return await there(_asked(place, "GET", path, version, scope=scope, params=dict(params or {})))


async def text(place: Place, path: str, *, params: Mapping[str, str] | None = None) -> str:
    """An answer that is text: a pod's log."""
    return str(await there(_asked(place, "GET", path, "v1", raw=True, params=dict(params or {}))))


async def send(place: Place, method: str, path: str, body: Any = None, *, version: str = "v1") -> Any:
    """POST, PUT, PATCH (a merge) or DELETE; status 409 where another one was faster."""
    kind = {"content-type": "application/merge-patch+json"} if method == "PATCH" else {}
    return await there(_asked(place, method, path, version, json=body, headers=kind))


async def or_none(asked: Coroutine[Any, Any, Any]) -> Mapping[str, Any] | None:
    """The answer of a request; None where there is no such object."""
    try:
        found: Mapping[str, Any] = await asked
    except ApiError as failure:
        if failure.status == 404:
            return None
        raise
    return found


async def connection(place: Place) -> Any:
    """The connection of a place; only on our loop."""
    key = os.environ.get("KUBECONFIG"), place.context
    if key not in _connected:
        if not _connected:
            at_end(_closed)
        # whoever asks meanwhile waits for the same one
        _connected[key] = asyncio.ensure_future(_opened(place.context))
    opening = _connected[key]
    try:
        return await asyncio.shield(opening)
    finally:
        if opening.done() and _failed(opening) and _connected.get(key) is opening:
            del _connected[key]


async def _opened(context: str | None) -> Any:
    import kr8s.asyncio

    with warnings.catch_warnings():
        # a newer API server than kr8s was tried with: we use what has been v1 for years
        warnings.simplefilter("ignore")
        # kr8s answers a question without any argument with whichever connection it made first
        found = await kr8s.asyncio.api(kubeconfig=os.environ.get("KUBECONFIG", KUBECONFIG), context=context)
    found.timeout = SECONDS
    return found


def _failed(opening: asyncio.Future[Any]) -> bool:
    return opening.cancelled() or opening.exception() is not None


async def _closed() -> None:
    while _connected:
        _, opening = _connected.popitem()
        await asyncio.wait([opening])
        if not _failed(opening) and opening.result()._session is not None:  # noqa: SLF001  -- kr8s has no close of its own
            await opening.result()._session.aclose()  # noqa: SLF001


async def _asked(place: Place, method: str, path: str, version: str, **more: Any) -> Any:
    """The answer; an API server that is away is waited for as long as ``patience`` says."""
    end = time.monotonic() + patience.patience_seconds()
    while True:
        try:
            return await _once(place, method, path, version, **more)
        except ApiError as failure:
            if not failure.passes or time.monotonic() > end:
                raise
        await asyncio.sleep(patience.AGAIN_SECONDS)


async def _once(
    place: Place, method: str, path: str, version: str, *, raw: bool = False, scope: str = "namespace", **more: Any
) -> Any:
    import kr8s

    namespace = place.namespace if scope == "namespace" else None
    tried, where = f"{method} {path}", f"namespace {namespace}" if namespace else "the cluster"
    try:
        api = await connection(place)
        async with api.call_api(method, version=version, namespace=namespace, url=path, **more) as answer:
            return answer.text if raw else answer.json()
    except kr8s.ServerError as refused:
        status = refused.response.status_code if refused.response is not None else None
        raise ApiError(tried, where, str(refused)[:500], status) from None
    except leaks() as failure:
        away = is_away(failure)
        raise ApiError(tried, where, f"{type(failure).__name__}: {failure}"[:500], away=away) from None


def is_away(failure: BaseException) -> bool:
    """Whether the API server could not be reached, which is noted; anything else is nothing that waiting mends."""
    import kr8s

    if isinstance(failure, BaseExceptionGroup):
        return any(is_away(one) for one in failure.exceptions)
    away = isinstance(failure, kr8s.APITimeoutError | httpx.TransportError | ConnectionError)
    if away:
        patience.failed()
    return away
