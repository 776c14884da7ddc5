"""The requests of a conversion, carried out so that they may be sent again: what is there already is compared, and not made twice.

Sources: docs/emqx/backup.md#not-carried for the calls; a user or a rule that exists is 409, a ban or a schema 400 or 409 ALREADY_EXISTS.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from components.emqx.client import Reply, code_and_message, judged
from components.emqx.v5.calls import Calls
from components.emqx.v5.inventory import ACL
from components.migration.requests import Request

SEND_SECONDS = 60.0
"""Of one request: a portion of a thousand rules, or of users with their hashes."""
_KINDS = {"users": "username", "clients": "clientid"}
_TAKEN = frozenset({400, 409})
_EXISTS = "ALREADY_EXISTS"


class Sender:
    """Sends the requests of one conversion to one cluster, in the order in which it is asked to."""

    def __init__(self, calls: Calls) -> None:
        """Nothing is asked yet."""
        self._calls = calls

    async def send(self, request: Request, *, patience_seconds: float) -> bool:
        """Carry it out; False when nothing was to be done any more.

        Raises:
            Rejected: the cluster refuses it; and what else ``Calls.call`` raises.

        """
        path, _, last = request.path.rpartition("/")
        if request.method == "POST" and path == ACL and last in _KINDS:
            return await self._rules(last, request.body, patience_seconds)
        reply = await self._call(request, patience_seconds)
        if reply.status not in _TAKEN:
            return True
        if _exists(reply):
            return await self._again(request, patience_seconds)
        judged(reply)
        return True

    async def _again(self, request: Request, patience_seconds: float) -> bool:
        """What is there already; of a user the password must be ours."""
        if not request.path.endswith("/users"):
            return False
        user = {"password": request.body["password"], "is_superuser": request.body.get("is_superuser", False)}
        path = f"{request.path}/{quote(str(request.body['user_id']), safe='')}"
        await self._calls.call("PUT", path, body=user, repeatable=True, patience_seconds=patience_seconds)
        return True

    async def _call(self, request: Request, patience_seconds: float) -> Reply:
        content: dict[str, Any] = {"body": request.body}
        if request.upload:
            file = (request.upload, json.dumps(request.body).encode(), "application/json")
            content = {"files": {"filename": file}}
        return await self._calls.call(
            request.method,
            request.path,
            accept=_TAKEN,
            repeatable=True,
            timeout_seconds=SEND_SECONDS,
            patience_seconds=patience_seconds,
            **content,
        )

    async def _rules(self, kind: str, entries: Sequence[Mapping[str, Any]], patience_seconds: float) -> bool:
        """Rules by login: in one request where none of them has any; otherwise those that are missing, and those that are others."""
        reply = await self._call(Request("POST", f"{ACL}/{kind}", list(entries)), patience_seconds)
        if reply.status not in _TAKEN:
            return True
        if not _exists(reply):
            judged(reply)
        there = await self._there(kind, {str(one[_KINDS[kind]]) for one in entries})
        missing = [one for one in entries if str(one[_KINDS[kind]]) not in there]
        if missing:
            judged(await self._call(Request("POST", f"{ACL}/{kind}", missing), patience_seconds))
        wanted = {str(one[_KINDS[kind]]): list(_plain(one["rules"])) for one in entries}
        other = [one for one in entries if there.get(name := str(one[_KINDS[kind]]), wanted[name]) != wanted[name]]
        for one in other:
            path = f"{ACL}/{kind}/{quote(str(one[_KINDS[kind]]), safe='')}"
            judged(await self._call(Request("PUT", path, dict(one)), patience_seconds))
        return bool(missing or other)

    async def _there(self, kind: str, wanted: set[str]) -> dict[str, list[tuple[str, ...]]]:
        """The rules of these logins as the cluster has them."""
        key = _KINDS[kind]
        return {
            str(row[key]): list(_plain(row.get("rules", [])))
            async for page in self._calls.pages(f"{ACL}/{kind}")
            for row in page
            if str(row.get(key)) in wanted
        }


def _plain(rules: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, ...]]:
    """What decides: newer versions add fields with defaults."""
    return ((str(one.get("permission")), str(one.get("action")), str(one.get("topic"))) for one in rules)


def _exists(reply: Reply) -> bool:
    code, message = code_and_message(reply.body)
    return reply.status == 409 or code == _EXISTS or message.endswith(("already exists", _EXISTS))
