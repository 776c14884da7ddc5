"""HTTP below ``/api/v5``: single calls with the API key or a dashboard token, and lists page by page."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from pydantic import TypeAdapter

from components.emqx.client import EmqxHttp
from components.emqx.errors import BadInput, NotNow
from components.emqx.models import ClusterHandle, Credentials
from components.emqx.paging import has_next
from components.emqx.reading import read
from components.emqx.v5.traits import ROOT

PAGE = 10_000
"""The largest page; above it EMQX answers 400 (docs/emqx/api.md#paging)."""

TOKEN_SECONDS = 3_000.0
"""A dashboard token lives 3600 s (docs/emqx/api.md#tokens-and-limits); we ask for a new one well before."""

PAGE_TIMEOUT_SECONDS = 30.0
_ROWS = TypeAdapter(list[Any])


class Calls(EmqxHttp):
    """The calls of one 5.x cluster; arguments as ``EmqxHttp``."""

    def __init__(
        self, handle: ClusterHandle, credentials: Credentials, *, now: Callable[[], float] = time.time, **options: Any
    ) -> None:
        """Below ``/api/v5``; ``now`` gives unix seconds, for the age of the dashboard token."""
        super().__init__(handle, credentials, root=ROOT, **options)
        self._now, self._token, self._token_until = now, "", 0.0

    async def authorization(self, *, bearer: bool = False) -> str:
        """The value of the Authorization header; logs in (again) when the token is old."""
        if not bearer:
            return await super().authorization()
        if self._now() >= self._token_until:
            await self.login()
        return f"Bearer {self._token}"

    def forget_token(self) -> None:
        """The next call with a token logs in afresh."""
        self._token_until = 0.0

    async def login(self) -> None:
        """Get a new dashboard token; it is valid on all nodes (docs/emqx/api.md#tokens-and-limits)."""
        if not self.has_login:
            raise BadInput(
                "a call that needs a dashboard login",
                seen=f"no dashboard user is configured for {self.handle.colour}",
                todo="set the dashboard user and password of this colour as secrets",
            )
        account = {"username": self.credentials.username, "password": self.credentials.password}
        reply = await self.call("POST", "/login", body=account, anonymous=True, repeatable=True)
        token = (reply.json() or {}).get("token")
        if not isinstance(token, str) or not token.isascii() or not token.isprintable():
            raise NotNow("login", node=reply.node, seen="an answer without a token", todo="look at the node's log")
        self._token, self._token_until = token, self._now() + TOKEN_SECONDS

    @property
    def node_names(self) -> tuple[str, ...]:
        """The declared nodes, in the handle's order."""
        return tuple(node.name for node in self.handle.nodes)

    async def pages(
        self,
        path: str,
        params: Mapping[str, str | int] | None = None,
        *,
        bearer: bool = False,
        limit: int = PAGE,
        hook: Callable[[dict[str, Any]], Any] | None = None,
        adapter: TypeAdapter[list[Any]] = _ROWS,
    ) -> AsyncIterator[list[Any]]:
        """The pages of a list, as large as EMQX allows unless told otherwise; ``hook`` turns each JSON object into something smaller.

        ``adapter`` is what a page must be: NotNow for one of another shape.

        The last page may be empty; GaveUp when the list does not end (``components.emqx.paging``).
        """
        page = 0
        more = True
        while more:
            page += 1
            asked = {**(params or {}), "page": page, "limit": limit}
            reply = await self.call("GET", path, params=asked, bearer=bearer, timeout_seconds=PAGE_TIMEOUT_SECONDS)
            body = reply.json(hook)
            rows = read(adapter, reply, body.get("data") if isinstance(body, dict) else None)
            yield rows
            more = has_next(reply, body, rows, page=page, limit=limit)
