"""Banned clients (V_*_overview): taken as they are given, those of the past too."""

from __future__ import annotations

from typing import Any, cast

from lab.node.kept.records import Ban, BanKind
from lab.node.v4.asked import Asked, Way, ok, page, said

KINDS = ("clientid", "username", "peerhost")
SECONDS = 300
"""How long a ban lasts that names no end."""
_BAD_KIND = "value of 'as' must be one of: ['clientid', 'username', 'peerhost']"


def _shown(ban: Ban) -> dict[str, Any]:
    return {
        "who": ban.who,
        "until": int(ban.until or 0),
        "reason": ban.reason,
        "by": ban.by,
        "at": int(ban.at),
        "as": ban.kind,
    }


def banned(asked: Asked) -> dict[str, Any]:
    """GET /banned."""
    return page(asked, list(asked.host.store.banned.values()), _shown, hasnext=False)


def create(asked: Asked) -> dict[str, Any]:
    """POST /banned answers what was given."""
    body = asked.object()
    if body.get("as") not in KINDS:
        return said(_BAD_KIND, code=108)
    now = asked.now()
    at, kind = body.get("at", now), cast("BanKind", body["as"])
    until = body.get("until", at + SECONDS)
    ban = Ban(kind, str(body["who"]), str(body.get("by", "")), str(body.get("reason", "")), float(at), float(until))
    asked.host.store.banned[ban.kind, ban.who] = ban
    return ok(body)


def delete(asked: Asked) -> dict[str, Any]:
    """DELETE /banned/:as/:who, code 0 for nobody too."""
    asked.host.store.banned.pop((cast("BanKind", asked.path["as"]), asked.path["who"]), None)
    return ok()


WAYS = (
    Way("GET", "/banned", banned),
    Way("POST", "/banned", create),
    Way("DELETE", "/banned/{as}/{who}", delete),
)
