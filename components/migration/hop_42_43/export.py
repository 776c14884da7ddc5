"""The export of a 4.2 cluster so that every 4.3 takes it, open source and Enterprise, without ``--env``.

Rows of built-in users get the fields of both shapes, because the patches of 4.3 differ (emqx main-v4.3 ``emqx_mgmt_data_backup``): open
source chooses by ``version`` and reads ``login``, Enterprise reads ``type``, which 4.2 of it wrote itself. A version without a patch becomes
``4.3`` where there are resources or rules: for such ones open source 4.3 converts again, and fails at all but two actions. Hashes with and
without salt are understood (``emqx_auth_mnesia`` is_salt_hash).
The rule kept here: built-in rules do not go by the import, which loses their order (module ``acl``).
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from components.migration.facts import Export
from components.migration.hop_42_43 import acl
from components.migration.hop_42_43.resources import RESOURCES, RULES, convert_engine
from components.migration.manifest import BadSource, Ledger
from components.migration.requests import Request
from components.migration.words import Credential

AS = "auth.mnesia.as"
FIRST_PATCH = {(4, 0): 13, (4, 2): 11}
"""Open source exports with users are taken from these patches on (rule 43-03)."""
_SALT = 4
_HEX = frozenset({32, 40, 64, 128})
"""Characters of an md5, sha, sha256 and sha512 hash."""
_PLAIN_HEX = re.compile(r"[0-9a-f]+")
_HEAD = frozenset({"version", "date", AS})
"""What an export says of itself."""
_USERS = ("auth_clientid", "auth_username", "auth_mnesia")
_WHOLE = ("blacklist", "apps", "users")
_SHORT = re.compile(r"4\.[0-2]")
_ENTERPRISE = ("modules", "schemas", "configs", "listeners_state")
Row = dict[str, Any]
SUPERUSER = "no longer a superuser: an allow of everything, the newest rule of its login, is sent after the import"
SUPERUSER_TODO = (
    "narrower for topics that begin with $ and that no rule mentions: for these acl.conf and acl_nomatch are asked now"
)


def require_importable(export: Export) -> None:
    """Users in an export that is too old for 4.3 open source, which refuses it whole (``is_version_supported``); Enterprise does not ask.

    Raises:
        BadSource: with the patch to go to first.

    """
    said = str(export.data.get("version", ""))
    parts = [int(part[:9]) for part in said.split(".") if part.isdecimal()]
    needed = FIRST_PATCH.get((parts[0], parts[1])) if len(parts) > 1 else None
    if needed is None or (len(parts) > 2 and parts[2] >= needed):
        return
    for section in _USERS:
        if export.rows(section):
            raise BadSource(
                export.file,
                section,
                f"built-in users in an export of {said}; 4.3 takes them from {parts[0]}.{parts[1]}.{needed} on (rule 43-03)",
                "bring the old cluster to the newest patch of its line and export again",
            )


def credential_for(export: Export, configured: Credential | None, wanted: Credential | None) -> Credential | None:
    """Whether built-in users are names or client ids; None where no row needs to know.

    Raises:
        BadSource: nobody says it, or two say different things.

    """
    said = export.data.get(AS)
    named: set[Credential] = {one for one in ("username", "clientid") if one in (said, configured, wanted)}
    if len(named) > 1:
        raise BadSource(
            export.file,
            AS,
            "both credential types: the export, the configuration and the plan do not agree",
            "take the value of etc/plugins/emqx_auth_mnesia.conf of the old cluster",
        )
    untyped = any("type" not in row for section in ("auth_mnesia", "acl_mnesia") for row in export.rows(section))
    if not named and untyped:
        raise BadSource(
            export.file,
            "auth_mnesia",
            "no credential type; 4.2 does not write it",
            "say --credential username or --credential clientid, as auth.mnesia.as has it",
        )
    return next(iter(named), None)


class Exported(NamedTuple):
    """The export for 4.3, requests for resources and rules that an import might refuse, and who is a superuser, by type and name."""

    data: dict[str, Any]
    requests: tuple[Request, ...]
    superusers: tuple[tuple[str, str], ...]


def convert_export(
    export: Export,
    credential: Credential | None,
    ledger: Ledger,
    *,
    enterprise: bool = True,
    off: frozenset[str] = frozenset(),
) -> Exported:
    """The export for 4.3; each row of each section but the built-in rules is an item of the ledger.

    Args:
        export: of 4.0 to 4.2.
        credential: from ``credential_for``.
        ledger: where the account is kept.
        enterprise: whether the target is; open source does not take modules, schemas, configs.
        off: sections that had no effect, as their plugin was not loaded.

    Raises:
        BadSource: users in an export that is too old.

    """
    if not enterprise:
        require_importable(export)
    result = dict(export.data)
    if credential is not None:
        result[AS] = credential
    last = _last_users(export, credential, off)
    for section, rows in export.data.items():
        if section in _HEAD or section in (acl.SECTION, RULES, RESOURCES):
            continue
        if not isinstance(rows, list):
            ledger.expect(section, 1)
            ledger.dropped(section, 0, "", "4.3 does not import it", "make it anew on the new cluster")
            continue
        ledger.expect(section, len(rows))
        if section in off:
            _off(section, rows, ledger)
            result[section] = []
        elif section in _USERS:
            done = [_user(section, credential, last, ledger, index, row) for index, row in enumerate(rows)]
            result[section] = [row for row in done if row is not None]
        else:
            _whole(section, rows, ledger, taken=section in _WHOLE or (enterprise and section in _ENTERPRISE))
    requests = _engine(export, result, ledger, enterprise=enterprise)
    if acl.SECTION in result:
        result[acl.SECTION] = []
    supers = {(str(row["type"]), str(row["login"])) for row in _supers(export, result, credential)}
    return Exported(result, requests, tuple(sorted(supers)))


def _engine(export: Export, result: dict[str, Any], ledger: Ledger, *, enterprise: bool) -> tuple[Request, ...]:
    """Resources and rules."""
    resources, rules = export.rows(RESOURCES), export.rows(RULES)
    for section, rows in ((RESOURCES, resources), (RULES, rules)):
        ledger.expect(section, len(rows))
    engine = convert_engine(resources, rules, ledger)
    result |= {
        section: rows
        for section, rows in ((RESOURCES, engine.resources), (RULES, engine.rules))
        if section in export.data
    }
    if (resources or rules) and not enterprise and _SHORT.fullmatch(str(export.data.get("version"))):
        result["version"] = "4.3"
    return tuple(engine.requests)


def _off(section: str, rows: list[Row], ledger: Ledger) -> None:
    why = "its plugin was not loaded on 4.2: it had no effect, and would have one where emqx_auth_mnesia is loaded"
    for index, row in enumerate(rows):
        ledger.dropped(section, index, _name(section, row), why, "nothing, or make it anew where it is wanted")


def is_superuser(row: Row) -> bool:
    """Whether a user of 4.2 is asked no rule."""
    return str(row.get("is_superuser")).lower() == "true"


def _supers(export: Export, result: Mapping[str, Any], credential: Credential | None) -> list[Row]:
    """The users that are kept and were superusers."""
    names = {
        (_kind("auth_mnesia", row, credential), row.get("login"))
        for row in export.rows("auth_mnesia")
        if is_superuser(row) and isinstance(row.get("login"), str)
    }
    return [row for row in result.get("auth_mnesia") or () if (row["type"], row["login"]) in names]


def _whole(section: str, rows: list[Row], ledger: Ledger, *, taken: bool) -> None:
    """Sections whose rows 4.3 takes as they are, or not at all."""
    for index, row in enumerate(rows):
        name = str(row.get("id") or row.get("username") or row.get("name") or row.get("type") or _who(row))
        if taken:
            ledger.carried(section, index, name)
        else:
            why = "this edition of 4.3 does not import the section"
            ledger.dropped(section, index, name, why, "make it anew on the new cluster")


def _who(row: Row) -> str:
    """Whom a ban is for: ``{"clientid": "c"}``, or a list of two in later patches; empty of any other row."""
    who = row.get("who")
    pair = next(iter(who.items()), ()) if isinstance(who, dict) else who if isinstance(who, list) else ()
    return " ".join(map(str, pair))


def _login(section: str, row: Row) -> Any:
    """The name a user logs in with, whatever stands there."""
    return row.get({"auth_clientid": "clientid", "auth_username": "username"}.get(section, "login"))


def _name(section: str, row: Row) -> str:
    return str(_login(section, row))


def _last_users(
    export: Export, credential: Credential | None, off: frozenset[str]
) -> dict[tuple[str, str], tuple[str, int]]:
    """Which row wins a name: the import writes the sections in this order, and the last one stays."""
    return {
        (_kind(section, row, credential), _name(section, row)): (section, index)
        for section in _USERS
        if section not in off
        for index, row in enumerate(export.rows(section))
    }


def _kind(section: str, row: Row, credential: Credential | None) -> str:
    """What a user is: said by its section, by its row (Enterprise 4.2), or by the plan."""
    said = {"auth_clientid": "clientid", "auth_username": "username"}.get(section) or row.get("type")
    return str(said or credential or "")


def _user(
    section: str,
    credential: Credential | None,
    last: Mapping[tuple[str, str], tuple[str, int]],
    ledger: Ledger,
    index: int,
    row: Row,
) -> Row | None:
    """A user, unless another row wins its name or nobody could ever log in with it."""
    name, kind = _name(section, row), _kind(section, row, credential)
    winner = last[kind, name]
    if winner != (section, index):
        ledger.dropped(
            section,
            index,
            name,
            f"the same {kind} again in {winner[0]}[{winner[1]}], which the import keeps",
            "decide which password is right",
        )
        return None
    password = _in_base64(row.get("password"))
    if password is None or kind not in {"username", "clientid"} or not isinstance(_login(section, row), str):
        seen = (
            "no user of 4.3: no name, no password as a hash in base64, or a type that is neither username nor clientid"
        )
        ledger.dropped(section, index, name, seen, "give the user a new password on the new cluster")
        return None
    done = {field: value for field, value in row.items() if field != "is_superuser"} | {"password": password}
    if section == "auth_mnesia":
        done["type"] = kind
    if is_superuser(row):
        ledger.changed(section, index, name, SUPERUSER, SUPERUSER_TODO)
    else:
        ledger.carried(section, index, name, f"a {kind} of emqx_auth_mnesia")
    return done


def _in_base64(password: Any) -> str | None:
    """A stored password as the import reads it; before 4.2.11 a hash was exported as plain hex, which is no base64 of any hash."""
    if not isinstance(password, str):
        return None
    if len(password) in _HEX and _PLAIN_HEX.fullmatch(password):
        return base64.b64encode(password.encode()).decode()
    try:
        return password if len(base64.b64decode(password, validate=True)) > _SALT else None
    except (binascii.Error, ValueError):
        return None
