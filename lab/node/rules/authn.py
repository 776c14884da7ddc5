"""Who may connect: the chain of authenticators in list order, as EMQX 5 walks it.

Each authenticator says yes, no, or "not mine"; the first yes or no ends the chain, and when nobody knows the client it is refused with
0x87 (docs/emqx/probes.md#connack: unknown user 5 / 0x87, wrong or missing password 4 / 0x86).  No enabled authenticator: everybody may in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from components.mqtt.reasons import Reason
from lab.node.kept.store import PASSWORD_ID, SCRAM_ID, Store
from lab.node.rules.passwords import DEFAULT_ALGORITHM, verify


@dataclass(slots=True, frozen=True)
class Credentials:
    """What a CONNECT says about its sender, and to which node."""

    client_id: str
    username: str | None
    password: bytes | None
    auth_method: str | None = None
    node: str = ""


@dataclass(slots=True, frozen=True)
class Verdict:
    """The answer of the chain; `reason` 0 means yes, `anonymous` that nobody was asked."""

    reason: int = 0
    is_superuser: bool = False
    anonymous: bool = False


class Checks(Protocol):
    """Who is asked about a CONNECT."""

    def scram(self) -> dict[str, Any] | None:
        """The settings of an enhanced authentication; None where there is none."""

    def check(self, credentials: Credentials) -> Verdict:
        """The verdict."""


def authenticator_id(entry: dict[str, Any]) -> str:
    """The id of an entry of the `authentication` list: ``password_based:built_in_database``, ``jwt``."""
    backend = entry.get("backend")
    return f"{entry['mechanism']}:{backend}" if backend and entry["mechanism"] != "jwt" else entry["mechanism"]


class Authenticator:
    """Walks the chain of a cluster's store.

    Authenticators that ask something outside (HTTP, a database, JWT keys) have nothing to ask here: they answer "not mine", as EMQX's do
    while their backend cannot be reached.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def chain(self) -> list[dict[str, Any]]:
        """The enabled entries, in order."""
        return [entry for entry in self._store.effective("authentication") or [] if entry.get("enable", True)]

    def scram(self) -> dict[str, Any] | None:
        """The enabled SCRAM authenticator, if there is one."""
        return next((entry for entry in self.chain() if authenticator_id(entry) == SCRAM_ID), None)

    def check(self, credentials: Credentials) -> Verdict:
        """The verdict about a CONNECT without enhanced authentication."""
        chain = self.chain()
        if not chain:
            return Verdict(anonymous=True)
        for entry in chain:
            if authenticator_id(entry) == PASSWORD_ID and credentials.auth_method is None:
                verdict = self._password(entry, credentials)
                if verdict is not None:
                    return verdict
        return Verdict(Reason.NOT_AUTHORIZED)

    def _password(self, entry: dict[str, Any], credentials: Credentials) -> Verdict | None:
        if credentials.password is None:
            return Verdict(Reason.BAD_USERNAME_OR_PASSWORD)
        by_client = entry.get("user_id_type", "username") == "clientid"
        user_id = credentials.client_id if by_client else credentials.username
        user = self._store.authn_users.get(PASSWORD_ID, {}).get(user_id or "")
        if user is None:
            return None
        if not verify(entry.get("password_hash_algorithm", DEFAULT_ALGORITHM), user, credentials.password):
            return Verdict(Reason.BAD_USERNAME_OR_PASSWORD)
        return Verdict(is_superuser=user.is_superuser)
