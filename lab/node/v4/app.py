"""The ASGI application of a 4.x node: one for port 8081 and one for the dashboard's, over the same paths.

The rule: every answer leaves through here, so that 401 comes before 404, and a crash is 500 ``Internal Error`` (docs/emqx/v4.md#api).
"""

from __future__ import annotations

import json
import traceback
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from lab.node.api.app import CLOSE
from lab.node.api.errors import to_json
from lab.node.api.host import Host
from lab.node.v4.accounts import admitted
from lab.node.v4.asked import Asked, CrashError, NowhereError, UnavailableError, Way
from lab.node.v4.colony import Colony
from lab.node.v4.ways import ways_of

PREFIX = "/api/v4"
_REALM = {"www-authenticate": 'Basic Realm="minirest-server"'}
JSON = "application/json"


class OldApi:
    """What uvicorn calls for each request to port 8081 of one node; ``managed`` is the cluster that the node belongs to now."""

    def __init__(self, managed: Host, here: str) -> None:
        """Of the node ``here``."""
        self.managed, self.here = managed, here

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request to port 8081."""
        await self.answer(scope, receive, send, dashboard=False)

    async def answer(self, scope: Scope, receive: Receive, send: Send, *, dashboard: bool) -> None:
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
        response = verdict.response or await self._dispatch(request, raw, dashboard=dashboard)
        await response(scope, receive, send)

    async def _dispatch(self, request: Request, raw: str, *, dashboard: bool) -> Response:
        colony: Colony = self.managed.colony
        if raw == "/status" and not dashboard:
            return self._status(colony)
        if not raw.startswith(PREFIX):
            return Response(status_code=404)
        try:
            if not admitted(
                colony, colony.line_at(self.here), request.headers.get("authorization"), dashboard=dashboard
            ):
                return _text("UNAUTHORIZED", 401, _REALM)
            body = await _body(request)
            way, path = self._way(colony, request.method, raw, dashboard=dashboard)
            answer: Any = way.handler(Asked(colony, self.here, path, request.query_params, body))
        except NowhereError:
            return _text("Not found.", 404)
        except UnavailableError:
            return _text("{}", 503, {"content-type": JSON})
        except CrashError:
            return _text("Internal Error", 500)
        except _BadRequestError:
            return _text("Bad Request", 400)
        except Exception:  # noqa: BLE001  a crash in a handler is EMQX's 500 too; the log says what it was
            self.managed.log(f"{self.here}: {request.method} {raw} crashed\n{traceback.format_exc()}")
            return _text("Internal Error", 500)
        if request.method != "GET":
            self.managed.changed()
        return Response(to_json(answer), headers={"content-type": JSON})

    def _way(self, colony: Colony, method: str, raw: str, *, dashboard: bool) -> tuple[Way, dict[str, str]]:
        found = ways_of(colony.line_at(self.here).number).find(method, raw.removeprefix(PREFIX))
        if found is None or (found[0].dashboard and not dashboard):
            raise NowhereError
        if found[0].plugin and found[0].plugin not in colony.active(self.here):
            raise NowhereError
        return found

    def _status(self, colony: Colony) -> Response:
        """GET /status needs no credentials; its text tells the truth, its number does not on 4.2 (V_*_boot_stop)."""
        words = ("started", "running") if colony.started(self.here) else ("starting", "not_running")
        status = 503 if words[0] == "starting" and colony.line_at(self.here).says_no else 200
        return _text(f"Node {self.here} is {words[0]}\nemqx is {words[1]}", status)


class _BadRequestError(Exception):
    """The body is no JSON."""


async def _body(request: Request) -> Any:
    raw = await request.body()
    if not raw:
        return None
    try:
        return json.loads(raw)
    except ValueError:
        raise _BadRequestError from None


def _text(text: str, status: int, headers: dict[str, str] | None = None) -> Response:
    """401 names no type (V_*_auth)."""
    return Response(text, status, headers if headers is not None else {"content-type": "text/plain"})
