"""The ASGI application of one node: finds the endpoint, asks who calls, lets faults happen, renders the answer.

The rule: every answer leaves through here, so the server's header, the 404 in HTML, the bare 405 and the shape of errors
exist once.  Paths are matched on their raw, still encoded form: a ``%2F`` in a topic or a file name is part of the name.
"""

from __future__ import annotations

import re
import traceback
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import unquote

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from lab.node.api.call import JSON, NOT_FOUND_HTML, Answer, Call, Endpoint
from lab.node.api.errors import ApiError, internal, not_found, to_json
from lab.node.api.host import Host

PREFIX = "/api/v5"
REQUESTS_PER_CONNECTION = 1000
"""After so many requests EMQX closes a connection (docs/emqx/api.md#connections-and-keep-alive)."""
COUNT, CLOSE = "lab.requests", "lab.close"
"""Keys of the scope: the number of this request on its connection, and the call that cuts the connection."""


class Table:
    """The endpoints by path; the first path that fits wins, as it was registered."""

    def __init__(self, endpoints: Iterable[Endpoint], edition: str) -> None:
        """Keep those that exist in ``edition``."""
        rows: dict[str, dict[str, Endpoint]] = defaultdict(dict)
        for endpoint in endpoints:
            if edition in endpoint.editions:
                rows[endpoint.path][endpoint.method] = endpoint
        self._rows = [(_pattern(path), methods) for path, methods in rows.items()]

    def find(self, path: str) -> tuple[dict[str, Endpoint], dict[str, str]] | None:
        """The methods of a path and the decoded parts of it; None where the path does not exist."""
        for pattern, methods in self._rows:
            if match := pattern.fullmatch(path):
                return methods, {name: unquote(value) for name, value in match.groupdict().items()}
        return None


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path))


class NodeApi:
    """What uvicorn calls for each request to one node."""

    def __init__(self, managed: Host, here: str, tables: Callable[[str], tuple[Table, Table]]) -> None:
        """``tables`` gives for an edition what is below /api/v5, and what is beside it (/status)."""
        self.managed, self.here, self.tables = managed, here, tables

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request; a fault may swallow, delay or replace the answer."""
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        raw = scope.get("raw_path", scope["path"].encode()).decode("latin-1").partition("?")[0]
        self.managed.heard.note(request.method, raw)
        verdict = await self.managed.faults.before_answer(self.here, raw)
        if verdict.silent:
            scope[CLOSE]()
            return
        response = verdict.response or await self._answer(request, raw)
        if scope.get(COUNT, 0) >= REQUESTS_PER_CONNECTION:
            response.headers["connection"] = "close"
        await response(scope, receive, send)

    async def _answer(self, request: Request, raw: str) -> Response:
        try:
            return await self._dispatch(request, raw)
        except ApiError as error:
            return render(error)
        except Exception:  # noqa: BLE001  a crash in a handler is EMQX's 500 too; the log says what it was
            self.managed.log(f"{self.here}: {request.method} {raw} crashed\n{traceback.format_exc()}")
            return render(internal("error, the lab node crashed while it answered; see its log"))

    async def _dispatch(self, request: Request, raw: str) -> Response:
        inside = raw.startswith(f"{PREFIX}/")
        path = raw.removeprefix(PREFIX) if inside else raw
        seen = self.managed.view(self.here)
        below, beside = self.tables(seen.edition)
        found = (below if inside else beside).find(path)
        if found is None or (inside and not self.managed.serves_api(self.here)):
            if JSON in request.headers.get("accept", ""):
                raise not_found("Request Path Not Found")  # F1_ce_to_ee_mixed_and_roll
            return Response(NOT_FOUND_HTML, 404, media_type="text/html")
        methods, parts = found
        endpoint = methods.get("GET" if request.method == "HEAD" else request.method)
        if endpoint is None:
            return Response(status_code=405, headers={"allow": ", ".join(methods)})
        call = Call(seen, self.here, request, parts)
        if not endpoint.open:
            header = request.headers.get("authorization")
            roles = seen.edition == "ee"
            call.actor = seen.access.authorize(header, request.method, path, call.now(), roles=roles)
        self.managed.passing_trouble(self.here, path)
        answer: Answer = await endpoint.handler(call)
        if request.method not in {"GET", "HEAD"}:
            self.managed.changed()
        return answer.response()


def render(error: ApiError) -> Response:
    """The response of a refusal; without a code the body is empty, or is the message itself when that is an object."""
    if error.code:
        body: Any = {"code": error.code, "message": error.message}
    elif error.message is None:
        return Response(status_code=error.status, headers=error.headers)
    else:
        body = error.message
    return Response(to_json(body), error.status, error.headers, media_type="application/json")
