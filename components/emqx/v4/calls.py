"""HTTP below ``/api/v4``: a 200 proves nothing there, so every answer is judged by its ``code`` before anybody reads its data.

Recorded (docs/emqx/v4.md): success is ``{"code": 0, "data": ...}``; a refusal is a 200 with a ``message``, whose ``code`` is missing, a number
other than 0, or a text; ``{"code": 0, "data": {"message": ...}}`` is one too. Only 401, 404 and 500 are told by the status, as bare text.
"""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, NamedTuple

from pydantic import TypeAdapter

from components.emqx.client import EmqxHttp, Reply
from components.emqx.errors import Rejected
from components.emqx.models import ClusterHandle, Credentials
from components.emqx.paging import has_next
from components.emqx.reading import read
from components.emqx.v4.traits import HEALTH_CHECK, ROOT

PAGE = 10_000
"""There is no largest page; this is 4.x's own default for clients."""
PAGE_TIMEOUT_SECONDS = 30.0
_ROWS = TypeAdapter(list[Any])
_SERVES = ("is started", "is running")
"""The two lines of ``/status`` end so; while the node starts, with ``is starting`` and ``is not_running``."""


class Answered(NamedTuple):
    """An answer that was judged: its data, all of it, and the words of a refusal that the caller expected (empty: it was done)."""

    reply: Reply
    body: dict[str, Any]
    refused: str

    @property
    def data(self) -> Any:
        """What stands under ``data``; None where there is nothing."""
        return self.body.get("data")


class Calls(EmqxHttp):
    """The calls of one 4.x cluster; arguments as ``EmqxHttp``. The API key is an application's id and secret."""

    def __init__(self, handle: ClusterHandle, credentials: Credentials, **options: Any) -> None:
        """Below ``/api/v4``."""
        super().__init__(handle, credentials, root=ROOT, **options)

    @property
    def node_names(self) -> tuple[str, ...]:
        """The declared nodes, in the handle's order."""
        return tuple(node.name for node in self.handle.nodes)

    async def ask(
        self,
        method: str,
        path: str,
        *,
        unless: frozenset[str] = frozenset(),
        hook: Callable[[dict[str, Any]], Any] | None = None,
        **options: Any,
    ) -> Answered:
        """One call whose answer says that it was done; ``options`` as for ``call``.

        Args:
            method: of HTTP.
            path: below ``/api/v4``.
            unless: words with which a refusal may end that are an answer here (``not_found``).
            hook: turns each JSON object into something smaller.
            options: of ``call``.

        Raises:
            Rejected: a refusal, whatever its status was; ``code`` is EMQX's own where it is a text, its ``message`` otherwise.

        """
        reply = await self.call(method, path, **options)
        return judged(reply, reply.json(hook), unless)

    async def outside(self, path: str, **options: Any) -> Reply:
        """A GET above ``/api/v4``, without credentials."""
        above = copy.copy(self)
        above.root = ""
        return await above.call("GET", path, anonymous=True, **options)

    async def pages(
        self,
        path: str,
        params: Mapping[str, str | int] | None = None,
        *,
        limit: int = PAGE,
        hook: Callable[[dict[str, Any]], Any] | None = None,
        **options: Any,
    ) -> AsyncIterator[list[Any]]:
        """The pages of a list; one without ``meta`` (the rules of 4.2) is the whole list; ``options`` as for ``call``.

        A filter makes ``meta.count`` -1, so only ``hasnext`` or a page that is not full ends the list; GaveUp when it does not end.
        """
        page, more = 0, True
        while more:
            page += 1
            asked = {**(params or {}), "_page": page, "_limit": limit}
            answer = await self.ask(
                "GET", path, params=asked, hook=hook, timeout_seconds=PAGE_TIMEOUT_SECONDS, **options
            )
            rows = read(_ROWS, answer.reply, answer.data)
            yield rows
            more = "meta" in answer.body and has_next(answer.reply, answer.body, rows, page=page, limit=limit)


async def is_started(calls: Calls, node: str, *, patience_seconds: float | None = None) -> bool:
    """By the text of ``/status``, since 4.2 answers 200 while it starts; on 4.3 and 4.4 it says so when the last plugin is there."""
    starts = frozenset({503})
    reply = await calls.outside(HEALTH_CHECK, node=node, accept=starts, patience_seconds=patience_seconds)
    said = reply.body.decode("utf-8", "replace").splitlines() if reply.status == 200 else []
    return all(any(line.endswith(word) for line in said) for word in _SERVES)


def judged(reply: Reply, body: Any, unless: frozenset[str] = frozenset()) -> Answered:
    """The answer, when it says that the call was done, or a refusal that was expected.

    Raises:
        Rejected: any other refusal.

    """
    said = body if isinstance(body, dict) else {}
    inner = said.get("data")
    if said.get("code") == 0 and not (isinstance(inner, dict) and set(inner) == {"message"}):
        return Answered(reply, said, "")
    code = said.get("code")
    message = str(said.get("message") or (inner.get("message") if isinstance(inner, dict) else "") or "")
    words = " ".join(message.split())[:256]
    if words.endswith(tuple(unless)) or (isinstance(code, str) and code in unless):
        return Answered(reply, said, words or str(code))
    raise Rejected(
        reply.tried,
        node=reply.node,
        seen=f"{reply.status} {'without a code' if code is None else f'code {code}'}: {words or 'no message'}",
        todo="compare the request with what this EMQX version accepts: a 200 of 4.x is no success by itself",
        status=reply.status,
        code=code if isinstance(code, str) else words[:60],
    )
