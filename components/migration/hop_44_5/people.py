"""Who may call the API and the dashboard, and who is banned."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from components.migration.hop_44_5.settings import Settings, is_on
from components.migration.hop_44_5.source import Options, Source
from components.migration.hop_44_5.table import Key
from components.migration.manifest import NOTHING, Ledger
from components.migration.requests import Request

KEY_FILE = "api-keys.txt"
DEFAULT_SECRETS = ("public",)
FOREVER = "infinity"


ROLES_SINCE = (5, 4)  # before it a role would be read as a part of the secret


def convert_apps(source: Source, options: Options, ledger: Ledger, target: tuple[int, int]) -> list[Key]:
    """Its applications as keys, of one id the last."""
    apps = (source.export or {}).get("apps", [])
    ledger.expect("apps", len(apps))
    imported = by_archive(options, target)
    keys: dict[str, Key] = {}
    for at, app in enumerate(apps):
        name, secret = str(app.get("id", "")), app.get("secret")
        why = _why_no_key(name, secret, app, options)
        if why:
            ledger.dropped("apps", at, name, why, "make a key on green: POST /api_key")
            continue
        expires = app.get("expired") if isinstance(app.get("expired"), int) else None
        if imported:
            ledger.carried("apps", at, name, "as a key of green; port and paths of the API are others")
        elif expires is not None:
            ledger.changed(
                "apps", at, name, "a key of the bootstrap file does not expire", "set its end: PUT /api_key/{name}"
            )
        else:
            ledger.carried(
                "apps",
                at,
                name,
                f"in {KEY_FILE}, which api_key.bootstrap_file must name; port and paths of the API are others",
            )
        keys[name] = Key(name, str(secret), expires, str(app.get("name") or ""))
    return list(keys.values())


def by_archive(options: Options, target: tuple[int, int]) -> bool:
    """Whether keys are imported; a row of a version before roles was never seen."""
    return options.keys_by_archive and target >= ROLES_SINCE


def key_file(keys: Iterable[Key], target: tuple[int, int]) -> str:
    """The key bootstrap file: ``id:secret:administrator``, one a line (docs/emqx/api.md#keys-and-roles)."""
    role = ":administrator" if target >= ROLES_SINCE else ""
    return "".join(f"{one.key}:{one.secret}{role}\n" for one in keys)


def _why_no_key(name: str, secret: Any, app: dict[str, Any], options: Options) -> str:
    expired = app.get("expired")
    if not name or not isinstance(secret, str) or not secret:
        return "it has no id or no secret"
    if secret in DEFAULT_SECRETS:
        return "its secret is the well-known default"
    if app.get("status") is not True:
        return "it is not on in 4.4"
    if isinstance(expired, int) and expired <= options.now:
        return "it has expired"
    if name == options.own_key:
        return "green has a key of this name, by which this program works there"
    if any(char in name + secret for char in "\r\n") or ":" in name or ":" in secret:
        return "a line of the key file cannot hold it (colon or line end)"
    return ""


def convert_dashboard_users(source: Source, ledger: Ledger) -> None:
    """Their hashes are MD5 with a salt, which no API of 5.x takes."""
    users = (source.export or {}).get("users", [])
    ledger.expect("users", len(users))
    for at, user in enumerate(users):
        todo = "make the account anew: POST /users with a first password; admin is there already"
        ledger.dropped(
            "users", at, str(user.get("username", "")), "5.x takes no password hash of a dashboard user", todo
        )


NO_BAN = "enable_ban is on in no zone, so it banned nobody"


def convert_banned(source: Source, options: Options, settings: Settings, ledger: Ledger) -> Iterator[Request]:
    """One request for each who is still banned; none where 4.4 did not ask whether one is."""
    asked = _asks_for_bans(settings)
    rows = (source.export or {}).get("blacklist", [])
    ledger.expect("blacklist", len(rows))
    for at, row in enumerate(rows):
        known = _who(row.get("who"))
        if known is None:
            ledger.dropped("blacklist", at, "", "who is banned cannot be read", "ban again: POST /banned")
            continue
        kind, name = known
        until = row.get("until")
        if kind == "peerhost" and not _is_address(name):
            ledger.dropped("blacklist", at, name, "no address", "ban again: POST /banned")
        elif not asked:
            ledger.dropped("blacklist", at, f"{kind} {name}", NO_BAN, NOTHING)
        elif isinstance(until, int | float) and until <= options.now:
            ledger.dropped("blacklist", at, name, "the ban was over when this was converted", NOTHING)
        else:
            ledger.carried("blacklist", at, f"{kind} {name}")
            yield Request("POST", "/banned", _ban(kind, name, row))


def _asks_for_bans(settings: Settings) -> bool:
    """Whether a zone asks; a zone of the files that does not say so does not (4.4's emqx.schema), and without any zone it is not known."""
    zones = {match[1] for _, match in settings.matching(r"zone\.([\w-]+)\..+")}
    return not zones or any(is_on(settings.peek(f"zone.{zone}.enable_ban")) for zone in zones)


def _who(who: Any) -> tuple[str, str] | None:
    """Kind and name; an address is text, or what Erlang makes of text: a list of its letters, or its four numbers."""
    if not isinstance(who, dict):
        return None
    for key, kind in (
        ("clientid", "clientid"),
        ("username", "username"),
        ("peerhost", "peerhost"),
        ("ipaddress", "peerhost"),
    ):
        name = who.get(key)
        if isinstance(name, str):
            return kind, name
        if kind == "peerhost" and isinstance(name, list) and all(type(one) is int and 0 <= one < 256 for one in name):
            return kind, ".".join(map(str, name)) if len(name) == 4 else bytes(name).decode("latin-1")
    return None


def _ban(kind: str, name: str, row: dict[str, Any]) -> dict[str, Any]:
    until, since = row.get("until"), row.get("at")
    body = {"as": kind, "who": name, "by": str(row.get("by") or ""), "reason": str(row.get("reason") or "")}
    body["until"] = _moment(until) if isinstance(until, int | float) else FOREVER
    began = _moment(since) if isinstance(since, int | float) else FOREVER
    return body | ({"at": began} if began != FOREVER else {})


def _moment(seconds: float) -> str:
    """A time as the API takes it; one that is out of a calendar's range never ends."""
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat()
    except (OverflowError, ValueError, OSError):
        return FOREVER


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
