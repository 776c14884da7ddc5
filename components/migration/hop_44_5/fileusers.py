"""Users that 4.4 makes at its start from ``auth.user.N`` and ``auth.client.N``, whose passwords stand in clear text.

The rule kept here: a user is on green with its password or it is not there; one whose password is nowhere, and one that nobody could be while
the plugin was off, is dropped by name.
"""

from __future__ import annotations

from collections.abc import Iterator

from components.migration.hop_44_5.settings import Settings
from components.migration.hop_44_5.users import Users
from components.migration.manifest import NOTHING, shorten
from components.migration.requests import Request

IS_OFF = "emqx_auth_mnesia is not loaded, so nobody could come in as this user"
GIVE_PASSWORD = "give the file that has it and convert again, or enter the user: POST /authentication/{id}/users"  # noqa: S105 - as above
NO_NAME = "a password whose user is not named here"
PATH = "/authentication/password_based%3Abuilt_in_database/users"
_KINDS = {"user": "username", "client": "clientid"}


def file_users(settings: Settings, users: Users, *, is_off: bool) -> Iterator[Request]:
    """A request for each user that the export does not have; every key is accounted."""
    for found, match in list(settings.matching(r"auth\.(user|client)\.(\d+)\.(username|clientid)")):
        kind, password_key = _KINDS[match[1]], f"auth.{match[1]}.{match[2]}.password"
        keys = [key for key in (found.key, password_key) if key in settings]
        lost = _why_lost(kind, found.value, settings.peek(password_key), users, is_off=is_off)
        for key in keys:
            if lost:
                settings.dropped(key, *lost)
            else:
                in_export = found.value in users.stored
                settings.carried(
                    key, "this user is in the export" if in_export else "as a user of the built-in database"
                )
        if not lost and found.value not in users.stored:
            body = {"user_id": found.value, "password": settings.peek(password_key), "is_superuser": False}
            yield Request("POST", PATH, body)
    for found, match in list(settings.matching(r"auth\.(user|client)\.(\d+)\.password")):
        if f"auth.{match[1]}.{match[2]}.{_KINDS[match[1]]}" not in settings:
            settings.dropped(found.key, NO_NAME, "give the file that names it and convert again")


def _why_lost(kind: str, login: str, password: str, users: Users, *, is_off: bool) -> tuple[str, str] | None:
    """Why a user is dropped and what to do, or None."""
    if is_off:
        return f"{IS_OFF} ({shorten(login)})", NOTHING
    if kind != users.kind:
        return f"5.x holds one type of built-in users and {users.kind} was chosen", "give it another login"
    if login not in users.stored and not password:
        return f"this user ({shorten(login)}) has no password here", GIVE_PASSWORD
    return None
