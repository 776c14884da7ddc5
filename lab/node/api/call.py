"""One request as a handler sees it, and the table that handlers are registered in; a handler returns data, never a response object of its own making.

The rule: a handler is ``async def handler(call) -> Answer`` and knows nothing of HTTP libraries beyond this module.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from lab.node.api.access import Actor
from lab.node.api.errors import ApiError, bad_request, to_json
from lab.node.api.host import Host

JSON = "application/json"
TEXT = "text/plain"
NOT_FOUND_HTML = b"<html><head><title>404 - NOT FOUND</title></head><body><h1>404 - NOT FOUND</h1></body></html>"
"""What EMQX answers where a path does not exist in this build or edition (docs/emqx/api.md#errors); who accepts JSON gets that instead."""


@dataclass(frozen=True)
class Answer:
    """A success: ``body`` is JSON unless it is bytes (then ``media`` says what); None is an answer without a body."""

    body: Any = None
    status: int = 200
    media: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)

    def response(self) -> Response:
        """The HTTP response; bodies are compact as EMQX's are."""
        content = self.body if isinstance(self.body, bytes) else to_json(self.body)
        if self.body is None:
            content = b""
        response = Response(content, self.status, dict(self.headers))
        if content:
            response.headers["content-type"] = self.media
        return response


NO_CONTENT = Answer(status=204)


@dataclass
class Call:
    """One request.

    ``managed`` is the cluster's process, ``here`` the name of the node that answers, ``path`` the decoded parts of the
    path, ``actor`` who asks (None on open paths).
    """

    managed: Host
    here: str
    request: Request
    path: dict[str, str]
    actor: Actor | None = None

    @property
    def query(self) -> QueryParams:
        """The query's parameters, decoded."""
        return self.request.query_params

    def now(self) -> float:
        """Unix seconds of the cluster's clock."""
        return self.managed.clock.now()

    async def body(self) -> Any:
        """The JSON body; ``{}`` when there is none.

        Raises:
            ApiError: 400 for malformed JSON, 415 for another content type or a bare scalar (docs/emqx/api.md#errors).

        """
        raw = await self.request.body()
        if not raw:
            return {}
        kind = self.request.headers.get("content-type", "").partition(";")[0].strip()
        if kind != JSON:
            raise ApiError(415, "UNSUPPORTED_MEDIA_TYPE", "content-type:application/json Required")
        try:
            body = json.loads(raw)
        except ValueError:
            raise bad_request("Invalid json message received") from None
        if not isinstance(body, dict | list):
            raise ApiError(415, "UNSUPPORTED_MEDIA_TYPE", "content-type:application/json Required")
        return body


Handler = Callable[[Call], Awaitable[Answer]]
Editions = frozenset[str]
BOTH: Editions = frozenset({"ee", "ce"})
ENTERPRISE: Editions = frozenset({"ee"})


@dataclass(frozen=True)
class Endpoint:
    """One method of one path; ``open`` needs no credentials, ``editions`` says where the path exists at all."""

    method: str
    path: str
    handler: Handler
    open: bool = False
    editions: Editions = BOTH


def timestamp(seconds: float, *, milliseconds: bool = False) -> str:
    """RFC 3339 in UTC as EMQX writes it: ``+00:00``, with or without milliseconds."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds" if milliseconds else "seconds")


def parse_time(text: str) -> float | None:
    """Unix seconds of RFC 3339 text; None for ``infinity``.

    Raises:
        ValueError: it is neither.

    """
    return None if text == "infinity" else datetime.fromisoformat(text).timestamp()
