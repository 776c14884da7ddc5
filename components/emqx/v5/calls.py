"""HTTP below ``/api/v5``: single calls, and lists page by page."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from pydantic import TypeAdapter

from components.emqx.client import EmqxHttp
from components.emqx.models import ClusterHandle, Credentials
from components.emqx.paging import has_next
from components.emqx.reading import read
from components.emqx.v5.traits import ROOT

PAGE = 10_000
"""The largest page; above it EMQX answers 400 (docs/emqx/api.md#paging)."""

PAGE_TIMEOUT_SECONDS = 30.0
_ROWS = TypeAdapter(list[Any])


class Calls(EmqxHttp):
    """The calls of one 5.x cluster; arguments as ``EmqxHttp``."""

    def __init__(self, handle: ClusterHandle, credentials: Credentials, **options: Any) -> None:
        """Below ``/api/v5``."""
        super().__init__(handle, credentials, root=ROOT, **options)

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
