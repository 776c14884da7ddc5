"""The export of a 4.2 cluster so that every 4.3 takes it, open source and Enterprise, without ``--env``.

Rows of built-in users and rules get the fields of both shapes, because the patches of 4.3 differ (emqx main-v4.3
``emqx_mgmt_data_backup``): the first ones choose by ``version`` and read ``login`` and ``allow``, later ones look for ``type`` and ``access``,
Enterprise reads only the latter. ``version`` stays, because the import mends rules' web hooks by it.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Any

from components.migration.detectors.overlap import contradictions
from components.migration.facts import Credential, Export
from components.migration.manifest import BadSource, Ledger

AS = "auth.mnesia.as"
FIRST_PATCH = {(4, 0): 13, (4, 2): 11}
"""Open source exports with users are taken from these patches on (rule 43-03)."""
_SALT = 4
_USERS = ("auth_clientid", "auth_username", "auth_mnesia")
_WHOLE = ("rules", "resources", "blacklist", "apps", "users")
_ENTERPRISE = ("modules", "schemas", "configs", "listeners_state")
Row = dict[str, Any]


def require_importable(export: Export) -> None:
    """Users in an export that is too old: 4.3 open source refuses it whole, and the hashes of 4.2.10 have no salt to be checked with.

    Raises:
        BadSource: with the patch to go to first.

    """
    said = str(export.data.get("version", ""))
    parts = [int(part) for part in said.split(".") if part.isdigit()]
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
    named: set[Credential] = {one for one in (said, configured, wanted) if one in {"username", "clientid"}}
    if len(named) > 1:
        raise BadSource(
            export.file,
            AS,
            "both credential types: the export, the configuration and the plan do not agree",
            "take the value of etc/plugins/emqx_auth_mnesia.conf of the old cluster",
        )
    if not named and (export.rows("auth_mnesia") or export.rows("acl_mnesia")):
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
    require_importable(export)
    result = dict(export.data)
    if credential is not None:
        result[AS] = credential
    last = _last_users(export, credential)
    order = set(contradictions(export.rows("acl_mnesia")))
    convert: Mapping[str, Callable[[int, Row], Row | None]] = {
        "auth_clientid": lambda index, row: _user("auth_clientid", index, row, "clientid", last, ledger),
        "auth_username": lambda index, row: _user("auth_username", index, row, "username", last, ledger),
        "auth_mnesia": lambda index, row: _user("auth_mnesia", index, row, credential, last, ledger),
        "acl_mnesia": lambda index, row: _acl(index, row, credential, order, ledger),
    }
    for section, rows in export.data.items():
        if not isinstance(rows, list):
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
        name = str(row.get("id") or row.get("username") or row.get("name") or row.get("type") or "")
        if taken:
            how = (
                "as it was; the import mends web hooks of before 4.3"
                if section in {"rules", "resources"}
                else "as it was"
            )
            ledger.carried(section, index, name, how)
        else:
            ledger.dropped(
                section,
                index,
                name,
                "this edition of 4.3 does not import the section",
                "make it anew on the new cluster",
            )


def _name(section: str, row: Row) -> str:
    return str(row.get({"auth_clientid": "clientid", "auth_username": "username"}.get(section, "login"), ""))


def _last_users(export: Export, credential: Credential | None) -> dict[tuple[str, str], tuple[str, int]]:
    """Which row wins a name: the import writes the sections in this order, and the last one stays."""
    kinds = {"auth_clientid": "clientid", "auth_username": "username", "auth_mnesia": credential or ""}
    return {
        (kinds[section], _name(section, row)): (section, index)
        for section in _USERS
        for index, row in enumerate(export.rows(section))
    }


def _user(
    section: str,
    index: int,
    row: Row,
    kind: str | None,
    last: Mapping[tuple[str, str], tuple[str, int]],
    ledger: Ledger,
) -> Row | None:
    """A user, unless another row wins its name or nobody could ever log in with it."""
    name = _name(section, row)
    winner = last[kind or "", name]
    if winner != (section, index):
        ledger.dropped(
            section,
            index,
            name,
            f"the same {kind} again in {winner[0]}[{winner[1]}], which the import keeps",
            "decide which password is right",
        )
        return None
    if not _is_salted(row.get("password")):
        ledger.dropped(
            section,
            index,
            name,
            "a password that is no salted hash in base64; nobody could log in with it",
            "give the user a new password on the new cluster",
        )
        return None
    if section != "auth_mnesia":
        ledger.carried(section, index, name, "a built-in user of emqx_auth_mnesia")
        return row
    done = {field: value for field, value in row.items() if field != "is_superuser"} | {"type": kind}
    if str(row.get("is_superuser")).lower() == "true":
        ledger.changed(
            section, index, name, "no longer a superuser", "give it an ACL rule allow pubsub # after the import"
        )
    else:
        ledger.carried(section, index, name, f"a {kind}")
    return done


def _is_salted(password: Any) -> bool:
    """Four bytes of salt and a hash, in base64."""
    try:
        return isinstance(password, str) and len(base64.b64decode(password, validate=True)) > _SALT
    except (binascii.Error, ValueError):
        return False


def _acl(index: int, row: Row, credential: Credential | None, order: set[str], ledger: Ledger) -> Row | None:
    """A rule, with the fields of both shapes."""
    login, topic, action, allow = (row.get(field) for field in ("login", "topic", "action", "allow"))
    label = f"{login} {action} {topic}"
    permits = {"true": True, "false": False}.get(str(allow).lower())
    if (
        not isinstance(login, str)
        or not isinstance(topic, str)
        or action not in {"pub", "sub", "pubsub"}
        or permits is None
    ):
        ledger.dropped(
            "acl_mnesia",
            index,
            label,
            "no rule of 4.2: login, topic, action (pub, sub, pubsub) and allow are needed",
            "make the rule anew",
        )
        return None
    if f"acl_mnesia[{index}]" in order:
        ledger.changed(
            "acl_mnesia",
            index,
            label,
            "4.3 has another order: newest first, deny before allow on a tie",
            "after the import give allow rules first and deny rules last, then try the topic",
        )
    else:
        ledger.carried("acl_mnesia", index, label)
    return {**row, "type": credential, "type_value": login, "access": "allow" if permits else "deny"}
