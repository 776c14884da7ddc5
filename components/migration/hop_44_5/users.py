"""Built-in users: hash and salt go over as they are, so that every device keeps its password.

The salt of 4.4 is four random bytes. The import API reads JSON, whose strings are UTF-8: only users whose salt happens to be UTF-8
can go that way; the others go as rows of the table in the archive (hop_44_5/table.py).
"""

from __future__ import annotations

import base64
import binascii
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from components.migration.hop_44_5.settings import Settings
from components.migration.hop_44_5.source import Options, Source
from components.migration.hop_44_5.table import Term, user_row
from components.migration.manifest import NOTHING, BadSource, Ledger
from components.migration.requests import Request

SECTION = "auth_mnesia"
SALT_BYTES = 4
HASH_LENGTHS = {"md5": 32, "sha": 40, "sha256": 64, "sha512": 128}
HASHES = ("plain", *HASH_LENGTHS)
USERS_IN_A_REQUEST = 5000
AUTHENTICATOR = "password_based%3Abuilt_in_database"


class User(NamedTuple):
    """One user: ``kind`` username or clientid."""

    at: int
    kind: str
    login: str
    stored: bytes


@dataclass(frozen=True)
class Users:
    """The users of the chosen type.

    Args:
        kind: ``username`` or ``clientid``.
        hash_name: as the authenticator needs it.
        stored: (salt, hash) by login.

    """

    kind: str
    hash_name: str
    stored: dict[str, tuple[bytes, bytes]]

    def requests(self) -> Iterator[Request]:
        """Those who can go through the import API, in portions."""
        rows = [
            _api_row(login, salt, digest) for login, (salt, digest) in self.stored.items() if _is_text(salt, digest)
        ]
        for start in range(0, len(rows), USERS_IN_A_REQUEST):
            path = f"/authentication/{AUTHENTICATOR}/import_users?type=hash"
            yield Request(
                "POST",
                path,
                rows[start : start + USERS_IN_A_REQUEST],
                upload=f"users-{start // USERS_IN_A_REQUEST + 1}.json",
            )

    def table_rows(self) -> Iterator[Term]:
        """Those who cannot."""
        for login, (salt, digest) in self.stored.items():
            if not _is_text(salt, digest):
                yield user_row(login, digest, salt)


def _api_row(login: str, salt: bytes, digest: bytes) -> dict[str, Any]:
    return {"user_id": login, "password_hash": digest.decode(), "salt": salt.decode(), "is_superuser": False}


def _is_text(salt: bytes, digest: bytes) -> bool:
    try:
        salt.decode()
        digest.decode()
    except UnicodeDecodeError:
        return False
    return True


def read_users(source: Source) -> list[User]:
    """The rows of the export.

    Raises:
        BadSource: a row that is no user.

    """
    return [_read(source.export_name, index, row) for index, row in enumerate((source.export or {}).get(SECTION, []))]


def _read(file: str, index: int, row: dict[str, Any]) -> User:
    place = f"{SECTION}[{index}]"
    login, kind, password = row.get("login"), row.get("type"), row.get("password")
    if not isinstance(login, str) or not isinstance(password, str):
        raise BadSource(file, place, "a user without login or password", "export again: emqx_ctl data export")
    if kind not in ("username", "clientid"):
        raise BadSource(
            file,
            place,
            "a user whose type is neither username nor clientid",
            "export from 4.4: older exports have no type",
        )
    try:
        return User(index, kind, login, base64.b64decode(password, validate=True))
    except (binascii.Error, ValueError):
        raise BadSource(file, place, "a password that is not base64", "export again: emqx_ctl data export") from None


def convert_users(source: Source, options: Options, hash_name: str, ledger: Ledger) -> Users:
    """Choose the type, keep the last of doubles, and divide salt and hash.

    Args:
        source: its section ``auth_mnesia``.
        options: the type that was chosen.
        ledger: where each row is accounted.
        hash_name: what 4.4 is configured with; empty where that is not known: then the lengths tell.

    Raises:
        BadSource: both types and no choice, or a hash that cannot be known.

    """
    users = read_users(source)
    ledger.expect(SECTION, len(users))
    kind = _kind(source.export_name, users, options)
    algorithm = hash_name or _inferred(source.export_name, users)
    last = {(user.kind, user.login): user.at for user in users}
    stored: dict[str, tuple[bytes, bytes]] = {}
    for user in users:
        lost = _why_lost(user, kind, last[user.kind, user.login])
        if lost:
            ledger.dropped(SECTION, user.at, user.login, *lost)
        else:
            stored[user.login] = divide(user.stored, algorithm)
            ledger.carried(SECTION, user.at, user.login, "with its hash and salt")
    return Users(kind, algorithm or "sha256", stored)


def shut_out(source: Source, users: Users, ledger: Ledger) -> Users:
    """Nobody: 4.4 has these users and does not ask them, while on green an enabled built-in database stands where 4.4 refused everybody."""
    for user in read_users(source):
        ledger.dropped(
            SECTION, user.at, user.login, "emqx_auth_mnesia is off, so nobody could come in as this user", NOTHING
        )
    return replace(users, stored={})


def default_users(settings: Settings) -> Iterator[tuple[str, str, str]]:
    """Type, name and password of the users that 4.4 makes at its start from ``auth.user.N`` and ``auth.client.N``, if they are not there."""
    for found, match in settings.matching(r"auth\.(user|client)\.(\d+)\.(username|clientid)"):
        password = f"auth.{match[1]}.{match[2]}.password"
        if password in settings:
            yield "username" if match[1] == "user" else "clientid", found.value, settings.peek(password)


def _why_lost(user: User, kind: str, last: int) -> tuple[str, str] | None:
    """Why a user is dropped and what to do, or None."""
    if user.kind != kind:
        todo = f"make the device log in with a {kind}, or keep it in another back end"
        return f"5.x holds one type of built-in users and {kind} was chosen", todo
    if last != user.at:
        return "a later row of the same user replaces it, as in an import of 4.4", "nothing"
    return None if user.login else ("5.x takes no user with an empty name", "give the device a name")


def divide(stored: bytes, algorithm: str) -> tuple[bytes, bytes]:
    """Salt and hash of what 4.4 stores; without salt where the length is that of a hash alone (is_salt_hash/2)."""
    if len(stored) == HASH_LENGTHS.get(algorithm):
        return b"", stored
    return stored[:SALT_BYTES], stored[SALT_BYTES:]


def _kind(file: str, users: list[User], options: Options) -> str:
    counts = Counter(user.kind for user in users)
    if options.credential:
        return options.credential
    if len(counts) > 1:
        seen = f"{counts['username']} users by username and {counts['clientid']} by clientid; 5.x holds one type"
        raise BadSource(
            file,
            SECTION,
            seen,
            "choose with --credential username or --credential clientid; the others are dropped and listed",
        )
    return next(iter(counts), "username")


def _inferred(file: str, users: list[User]) -> str:
    """The hash that all rows have the length of, with salt or without."""
    if not users:
        return ""
    for name, length in HASH_LENGTHS.items():
        if all(len(user.stored) in (length, length + SALT_BYTES) for user in users):
            return name
    remedy = "give etc/plugins/emqx_auth_mnesia.conf too (auth.mnesia.password_hash)"
    raise BadSource(file, SECTION, "the hash of the passwords cannot be told from their lengths", remedy)
