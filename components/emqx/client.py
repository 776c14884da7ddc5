"""HTTP to the management API of one cluster: every way it can fail ends as an error of ours, and none carries a credential."""

from __future__ import annotations

import base64
import copy
import json
import ssl
from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple, Self

import httpx
import stamina

from components.emqx.errors import BadInput, NotNow, Rejected, Retryable, Unauthorized, Unreachable, UpgradeError
from components.emqx.models import ClusterHandle, Credentials, Node
from components.system.trusted import authorities

LEAKS = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, httpx.CookieConflict, ssl.SSLError, OSError)
"""All that httpx can raise (a test enumerates its exceptions); none of them leaves this package."""

Params = Mapping[str, str | int]
# What was repeated is told by the error that ends it; a log line for each attempt would stand in the update's output.
stamina.instrumentation.set_on_retry_hooks([])


class _Request(NamedTuple):
    """One call, as it is sent at each attempt."""

    method: str
    path: str
    node: str
    params: Params | None
    body: Any
    files: Mapping[str, Any] | None
    headers: Mapping[str, str]
    bearer: bool
    anonymous: bool
    timeout_seconds: float


class Reply(NamedTuple):
    """An answer that was not an error."""

    tried: str
    node: str
    status: int
    body: bytes
    date: str = ""

    def json(self, hook: Callable[[dict[str, Any]], Any] | None = None) -> Any:
        """The body as JSON, None when empty; NotNow when it is none (an answer that was cut off)."""
        if not self.body:
            return None
        try:
            return json.loads(self.body, object_hook=hook)
        except ValueError:
            seen = f"{self.status} with {len(self.body)} bytes that are no JSON"
        raise NotNow(self.tried, node=self.node, seen=seen, todo="ask again; look at the node's log when it stays so")


class EmqxHttp:
    """The calls of one cluster, over any of its nodes or over one, with its API key.

    A dialect whose dashboard has tokens overrides ``authorization`` and ``forget_token``; without, a call with ``bearer`` is BadInput.

    Args:
        handle: the nodes.
        credentials: the API key, and a dashboard login.
        root: where the dialect's API begins, as in ``/api/v5``.
        transport: httpx's transport, for tests.
        timeout_seconds: bound of one attempt.
        patience_seconds: how long calls that may be repeated are (docs/emqx/cluster.md#a-node-dies: 500 is normal for 2 s).

    """

    def __init__(
        self,
        handle: ClusterHandle,
        credentials: Credentials,
        *,
        root: str,
        transport: httpx.AsyncBaseTransport | None = None,
        timeout_seconds: float = 5.0,
        patience_seconds: float = 15.0,
    ) -> None:
        self.handle, self.root, self.patience_seconds = handle, root, patience_seconds
        self.credentials = credentials
        self._timeout_seconds = timeout_seconds
        self._preferred = 0
        # The server closes idle connections after 60 s without notice, so ours go first (docs/emqx/api.md#connections-and-keep-alive).
        limits = httpx.Limits(max_connections=32, keepalive_expiry=20.0)
        self._client = httpx.AsyncClient(
            transport=transport,
            timeout=timeout_seconds,
            limits=limits,
            trust_env=False,
            follow_redirects=False,
            verify=authorities(),
        )

    def __repr__(self) -> str:
        """Say which cluster, and nothing that is secret."""
        return f"EmqxHttp({self.handle.colour}, {len(self.handle.nodes)} nodes)"

    async def __aenter__(self) -> Self:
        """Use as a context, so that the connections are closed."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close all connections."""
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    @property
    def has_login(self) -> bool:
        """Whether a dashboard login is configured."""
        return self.credentials.has_login

    def at(self, name: str) -> Self:
        """The same calls, of this node alone; it uses our connections, and is not to be closed."""
        alone = copy.copy(self)
        alone.handle = self.handle.model_copy(update={"nodes": (self.node(name),)})
        return alone

    def node(self, name: str) -> Node:
        """The node of that name; BadInput when the cluster has none."""
        nodes = {node.name: node for node in self.handle.nodes}
        if name not in nodes:
            known = ", ".join(nodes)
            raise BadInput(
                f"a call to {name}",
                seen=f"{self.handle.colour} has {known}",
                todo="correct the node's name in the stack config",
            )
        return nodes[name]

    async def call(
        self,
        method: str,
        path: str,
        *,
        node: str = "",
        params: Params | None = None,
        body: Any = None,
        files: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        accept: frozenset[int] = frozenset(),
        repeatable: bool | None = None,
        bearer: bool = False,
        anonymous: bool = False,
        timeout_seconds: float | None = None,
        patience_seconds: float | None = None,
    ) -> Reply:
        """One call under ``root``; repeated while it may help, on another node where ``node`` is empty.

        ``repeatable`` is True for GET unless said otherwise: what is not idempotent is tried once. ``accept`` are statuses that are answers here
        although they are errors elsewhere. Raises Unreachable, NotNow, Unauthorized, Rejected, BadInput.
        """
        may_repeat = method == "GET" if repeatable is None else repeatable
        patience = self.patience_seconds if patience_seconds is None else patience_seconds
        timeout = self._timeout_seconds if timeout_seconds is None else timeout_seconds
        request = _Request(method, path, node, params, body, files, headers or {}, bearer, anonymous, timeout)
        async for attempt in attempts(patience, most=None if may_repeat else 1):
            with attempt:
                reply = await self._once(request)
                if reply.status == 401 and bearer:
                    self.forget_token()  # it may have been revoked; a fresh one is the only second try
                    reply = await self._once(request)
                judged(reply, accept)
        return reply

    @asynccontextmanager
    async def stream(
        self, path: str, *, node: str, params: Params, bearer: bool = False, timeout_seconds: float = 60.0
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """The body of a GET in pieces; the errors of ``call``, also while the pieces are read. Not repeated."""
        tried, target = f"GET {path}", self.node(node)
        headers = {"Authorization": await self.authorization(bearer=bearer)}
        failure: UpgradeError
        try:
            url = f"{target.api}{self.root}{path}"
            async with self._client.stream("GET", url, params=params, headers=headers, timeout=timeout_seconds) as got:
                if got.status_code >= 400:
                    judged(Reply(tried, target.name, got.status_code, await got.aread()))
                yield got.aiter_bytes()
        except LEAKS as error:
            failure = unreachable(tried, target.name, error)
        else:
            return
        raise failure

    async def authorization(self, *, bearer: bool = False) -> str:
        """The value of the Authorization header."""
        if bearer:
            todo = "leave out what only a dashboard user may see"
            raise BadInput("a call as a dashboard user", seen="this version's dashboard gives no tokens", todo=todo)
        pair = f"{self.credentials.api_key}:{self.credentials.api_secret}"
        return "Basic " + base64.b64encode(pair.encode()).decode()

    def forget_token(self) -> None:
        """A token that was refused is not used again."""

    async def _once(self, request: _Request) -> Reply:
        preferred = self._preferred
        anywhere = self.handle.nodes[preferred % len(self.handle.nodes)]
        target = self.node(request.node) if request.node else anywhere
        headers = dict(request.headers)
        if not request.anonymous:
            headers["Authorization"] = await self.authorization(bearer=request.bearer)
        try:
            got = await self._client.request(
                request.method,
                f"{target.api}{self.root}{request.path}",
                params=request.params,
                json=request.body,
                files=request.files,
                headers=headers,
                timeout=request.timeout_seconds,
            )
            date = got.headers.get("date", "")
            reply = Reply(f"{request.method} {request.path}", target.name, got.status_code, got.content, date)
        except LEAKS as error:
            failure = unreachable(f"{request.method} {request.path}", target.name, error)
        else:
            if reply.status >= 500 and target is anywhere:
                self._preferred = preferred + 1
            return reply
        if target is anywhere:
            # Not one more for each call that failed beside this one: three of them would come back to the same of three nodes.
            self._preferred = preferred + 1
        raise failure


def attempts(
    patience_seconds: float, *, most: int | None = None, on: type[Retryable] = Retryable
) -> AsyncIterable[stamina.Attempt]:
    """The one way in which anything is repeated here: while it is Retryable, for so long, with growing pauses.

    Without patience, or with ``most`` 1, it is tried once. The last error is the one that is raised. Use as ``async for attempt in attempts(15): with attempt: ...``.
    """
    most = 1 if patience_seconds <= 0 else most
    return stamina.retry_context(
        on=on,
        attempts=most,
        timeout=patience_seconds if most is None else None,
        wait_initial=0.2,
        wait_max=1.0,
        wait_jitter=0.2,
    )


def unreachable(tried: str, node: str, error: BaseException) -> Unreachable:
    """An error without httpx's own text, which may quote a header."""
    kind = type(error).__name__
    seen = {
        "ConnectError": "the connection was refused",
        "ConnectTimeout": "no connection in time",
        "ReadTimeout": "connected, but no answer in time",
        "RemoteProtocolError": "the connection was closed without an answer",
        "ReadError": "the connection broke while reading the answer",
    }.get(kind, f"no answer ({kind})")
    return Unreachable(tried, node=node, seen=seen, todo="check that the node runs and its API port can be reached")


def judged(reply: Reply, accept: frozenset[int] = frozenset()) -> Reply:
    """The reply itself, or the error that its status means."""
    if reply.status < 400 or reply.status in accept:
        return reply
    code, message = code_and_message(reply.body)
    seen = ": ".join(part for part in (f"{reply.status} {code}".strip(), message) if part)
    if reply.status in {401, 403}:
        todo = "check the API key and its role, or the dashboard login, of this colour"
        raise Unauthorized(reply.tried, node=reply.node, seen=seen, todo=todo)
    if reply.status >= 500:
        raise NotNow(reply.tried, node=reply.node, seen=seen, todo="wait for the cluster to settle, then run again")
    todo = "compare the request with what this EMQX version accepts"
    raise Rejected(reply.tried, node=reply.node, seen=seen, todo=todo, status=reply.status, code=code)


def code_and_message(body: bytes) -> tuple[str, str]:
    """EMQX's ``{"code","message"}``, at most 256 characters of it; HTML and anything else is only measured."""
    try:
        parsed = json.loads(body)
    except ValueError:
        parsed = None
    if not isinstance(parsed, dict):
        return "", f"{len(body)} bytes that are no error of EMQX" if body else ""
    code = parsed.get("code")
    message = parsed.get("message", parsed.get("errors", ""))
    text = message if isinstance(message, str) else json.dumps(message)
    # EMQX breaks and indents long reasons; an error is one line.
    return (code if isinstance(code, str) else ""), " ".join(text.split())[:256]
