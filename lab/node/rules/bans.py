"""Who is banned: the table of `GET /banned`, looked through at each CONNECT."""

from __future__ import annotations

import re
from ipaddress import ip_address, ip_network

from lab.node.kept.records import Ban
from lab.node.kept.store import Store


def banned(store: Store, client_id: str, username: str | None, ip: str, now: float) -> Ban | None:
    """The ban that keeps this client out, if there is one that has not ended."""
    table = store.banned
    if not table:
        return None
    exact = (("clientid", client_id), ("username", username or ""), ("peerhost", ip))
    found = [table[key] for key in exact if key in table]
    found += [ban for ban in table.values() if _matches(ban, client_id, username or "", ip)]
    return next((ban for ban in found if ban.until is None or ban.until > now), None)


def _matches(ban: Ban, client_id: str, username: str, ip: str) -> bool:
    if ban.kind == "clientid_re":
        return re.search(ban.who, client_id) is not None
    if ban.kind == "username_re":
        return re.search(ban.who, username) is not None
    return ban.kind == "peerhost_net" and ip_address(ip) in ip_network(ban.who, strict=False)
