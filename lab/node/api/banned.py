"""Banned clients through the API; a ban is refused when it exists already and has not ended.

Answers as in recordings 04 and A_setup_blue_ce_5.8.9; this list alone has no ``hasnext`` (docs/emqx/api.md#paging).
"""

from __future__ import annotations

from typing import Any, cast

from lab.node.api import check
from lab.node.api.call import NO_CONTENT, Answer, Call, Endpoint, parse_time, timestamp
from lab.node.api.errors import bad_request, invalid, not_found
from lab.node.api.paging import page_of
from lab.node.kept.records import Ban, BanKind

KINDS = ("clientid", "username", "peerhost", "clientid_re", "username_re", "peerhost_net")
_FIELDS: dict[str, check.Check] = dict.fromkeys(("as", "who", "by", "reason", "at", "until"), check.text)


async def banned(call: Call) -> Answer:
    """GET /banned, newest first."""
    rows = [_shown(ban) for ban in reversed(call.managed.store.banned.values())]
    for name in ("clientid", "username", "peerhost"):
        if (wanted := call.query.get(name)) is not None:
            rows = [row for row in rows if row["as"] == name and row["who"] == wanted]
    return Answer(page_of(rows, call.query, with_hasnext=False))


async def create(call: Call) -> Answer:
    """POST /banned."""
    fields = check.body_fields(await call.body(), _FIELDS, required=("as", "who"))
    kind = cast("BanKind", check.symbol(fields["as"], KINDS, "root.as"))
    now = call.now()
    ban = Ban(
        kind=kind,
        who=fields["who"],
        by=fields.get("by", "mgmt_api"),
        reason=fields.get("reason", ""),
        at=_time(fields, "at") or now,
        until=_time(fields, "until"),
    )
    old = call.managed.store.banned.get((ban.kind, ban.who))
    if old is not None and (old.until is None or old.until > now):
        raise bad_request("ALREADY_EXISTS")
    call.managed.store.banned[ban.kind, ban.who] = ban
    return Answer(_shown(ban))


async def delete(call: Call) -> Answer:
    """DELETE /banned/:as/:who."""
    kind = cast("BanKind", check.symbol(call.path["as"], KINDS, "as"))
    if call.managed.store.banned.pop((kind, call.path["who"]), None) is None:
        raise not_found("Banned not found. May be already unbanned")
    return NO_CONTENT


async def clear(call: Call) -> Answer:
    """DELETE /banned."""
    call.managed.store.banned.clear()
    return NO_CONTENT


def _time(fields: dict[str, Any], name: str) -> float | None:
    wanted = fields.get(name, "infinity")
    try:
        return parse_time(wanted)
    except ValueError:
        raise invalid(value=wanted, reason="Not a valid datetime", path=f"root.{name}") from None


def _shown(ban: Ban) -> dict[str, Any]:
    return {
        "reason": ban.reason,
        "at": timestamp(ban.at),
        "until": "infinity" if ban.until is None else timestamp(ban.until),
        "who": ban.who,
        "as": ban.kind,
        "by": ban.by,
    }


ENDPOINTS = (
    Endpoint("GET", "/banned", banned),
    Endpoint("POST", "/banned", create),
    Endpoint("DELETE", "/banned", clear),
    Endpoint("DELETE", "/banned/{as}/{who}", delete),
)
