"""The export of a 4.2 cluster so that every 4.3 takes it, open source and Enterprise, without ``--env``.

Rows of built-in users and rules get the fields of both shapes, because the patches of 4.3 differ (emqx main-v4.3
``emqx_mgmt_data_backup``): the first ones choose by ``version`` and read ``login`` and ``allow``, later ones look for ``type`` and ``access``,
Enterprise reads only the latter. ``version`` stays, because the import mends rules' web hooks by it. Enterprise 4.2 wrote ``type`` itself,
and may have both types; such rows stay as they are. Hashes with and without salt are understood (``emqx_auth_mnesia`` is_salt_hash).
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from components.migration.detectors.overlap import OLD_EVERYBODY, contradictions, fills_in
from components.migration.facts import Credential, Export
from components.migration.manifest import BadSource, Ledger

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
_WHOLE = ("rules", "resources", "blacklist", "apps", "users")
_ENTERPRISE = ("modules", "schemas", "configs", "listeners_state")
Row = dict[str, Any]


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


def convert_export(
    export: Export, credential: Credential | None, ledger: Ledger, *, enterprise: bool = True
) -> dict[str, Any]:
    """The export for 4.3; each row of each section is an item of the ledger.

    Args:
        export: of 4.0 to 4.2.
        credential: from ``credential_for``.
        ledger: where the account is kept.
        enterprise: whether the target is; open source does not take modules, schemas, configs.

    Raises:
        BadSource: users in an export that is too old.

    """
    if not enterprise:
        require_importable(export)
    result = dict(export.data)
    if credential is not None:
        result[AS] = credential
    last = _last_users(export, credential)
    order = set(contradictions(export.rows("acl_mnesia")))
    convert: dict[str, Callable[[int, Row], Row | None]] = {
        section: partial(_user, section, credential, last, ledger) for section in _USERS
    }
    convert["acl_mnesia"] = partial(_acl, credential, order, ledger)
    for section, rows in export.data.items():
        if section in _HEAD:
            continue
        if not isinstance(rows, list):
            ledger.expect(section, 1)
            ledger.dropped(section, 0, "", "4.3 does not import it", "make it anew on the new cluster")
            continue
        ledger.expect(section, len(rows))
        if section in convert:
            done = [convert[section](index, row) for index, row in enumerate(rows)]
            result[section] = [row for row in done if row is not None]
        else:
            _whole(section, rows, ledger, taken=section in _WHOLE or (enterprise and section in _ENTERPRISE))
    return result


def _whole(section: str, rows: list[Row], ledger: Ledger, *, taken: bool) -> None:
    """Sections whose rows 4.3 takes as they are, or not at all."""
    for index, row in enumerate(rows):
        name = str(row.get("id") or row.get("username") or row.get("name") or row.get("type") or _who(row))
        if taken:
            mended = section in {"rules", "resources", "modules"}
            how = "as it was; the import mends what is of before 4.3" if mended else "as it was"
            ledger.carried(section, index, name, how)
        else:
            ledger.dropped(
                section,
                index,
                name,
                "this edition of 4.3 does not import the section",
                "make it anew on the new cluster",
            )


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


def _last_users(export: Export, credential: Credential | None) -> dict[tuple[str, str], tuple[str, int]]:
    """Which row wins a name: the import writes the sections in this order, and the last one stays."""
    return {
        (_kind(section, row, credential), _name(section, row)): (section, index)
        for section in _USERS
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
    if str(row.get("is_superuser")).lower() == "true":
        ledger.changed(
            section, index, name, "no longer a superuser", "give it an ACL rule allow pubsub # after the import"
        )
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


def _acl(credential: Credential | None, order: set[str], ledger: Ledger, index: int, row: Row) -> Row | None:
    """A rule, with the fields of both shapes; one of Enterprise 4.2 has a type already."""
    new = _typed_rule(row) if "type" in row else _old_rule(row, credential)
    label = f"{row.get('login', row.get('type_value', 'all'))} {row.get('action')} {row.get('topic')}"
    if new is None:
        seen = "no rule: who, topic, action (pub, sub, pubsub) and allow or deny are needed"
        ledger.dropped("acl_mnesia", index, label, seen, "make the rule anew")
        return None
    if "type" not in row and row["login"] == OLD_EVERYBODY:
        ledger.changed(
            "acl_mnesia",
            index,
            label,
            "written for all; first patches of 4.3 take $all for a user of that name (43-44)",
            "after the import see that the rule is there for all, and try a denied topic",
        )
    if "type" not in row and fills_in(row["topic"]):
        ledger.changed(
            "acl_mnesia",
            index,
            label,
            "4.3 puts client id or user name in place of %c or %u, 4.2 compared them as they stand there (43-45)",
            "try the topic with a device",
        )
    if f"acl_mnesia[{index}]" in order:
        ledger.changed(
            "acl_mnesia",
            index,
            label,
            "4.3 has another order: newest first, deny before allow on a tie",
            "after the import give allow rules first and deny rules last, then try the topic",
        )
    if ledger.is_open("acl_mnesia", index):
        ledger.carried("acl_mnesia", index, label)
    return new


def _old_rule(row: Row, credential: Credential | None) -> Row | None:
    access = {"true": "allow", "false": "deny"}.get(str(row.get("allow")).lower())
    if not isinstance(row.get("login"), str) or not _has_topic(row) or access is None:
        return None
    if row["login"] == OLD_EVERYBODY:
        return {**row, "type": "all", "access": access}
    return {**row, "type": credential, "type_value": row["login"], "access": access}


def _typed_rule(row: Row) -> Row | None:
    named = row["type"] in ("username", "clientid") and isinstance(row.get("type_value"), str)
    everybody = row["type"] == "all" and "type_value" not in row
    return row if (named or everybody) and _has_topic(row) and row.get("access") in ("allow", "deny") else None


def _has_topic(row: Row) -> bool:
    return isinstance(row.get("topic"), str) and row.get("action") in ("pub", "sub", "pubsub")
