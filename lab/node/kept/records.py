"""The rows of the replicated tables; each carries what the management API shows and what a restart must keep.

Passwords and secrets exist here as salted hashes only; what cannot be hashed (SCRAM) holds the derived keys.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from lab.node.kept.message import Message

Permission = Literal["allow", "deny"]
BanKind = Literal["clientid", "username", "peerhost", "clientid_re", "username_re", "peerhost_net"]


@dataclass(slots=True, frozen=True)
class AuthnUser:
    """A user of a built-in password authenticator (the hash is in the encoding of `authn.hash_password`)."""

    user_id: str
    password_hash: str
    salt: str
    is_superuser: bool = False


@dataclass(slots=True, frozen=True)
class ScramUser:
    """A user of the SCRAM authenticator: RFC 5802's derived keys, hexadecimal."""

    user_id: str
    stored_key: str
    server_key: str
    salt: str
    is_superuser: bool = False


@dataclass(slots=True, frozen=True)
class AclRule:
    """One rule of the built-in authorization database, as `GET .../rules/users` shows it (04_setup_resources)."""

    topic: str
    permission: Permission
    action: Literal["publish", "subscribe", "all"]
    qos: tuple[int, ...] = (0, 1, 2)
    retain: bool | Literal["all"] = "all"

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> AclRule:
        """A rule from a request body; `qos` may be a number or a list, and both optional keys have EMQX's defaults."""
        qos = row.get("qos", (0, 1, 2))
        levels = (int(qos),) if isinstance(qos, int | str) else tuple(int(one) for one in qos)
        return cls(row["topic"], row["permission"], row["action"], levels, row.get("retain", "all"))

    def to_json(self) -> dict[str, Any]:
        """The row as the API answers it."""
        return {
            "topic": self.topic,
            "action": self.action,
            "qos": list(self.qos),
            "retain": self.retain,
            "permission": self.permission,
        }


@dataclass(slots=True, frozen=True)
class Ban:
    """A banned client; `kind` is the API's `as`, `at` and `until` are unix seconds, `until` None means infinity."""

    kind: BanKind
    who: str
    by: str = "mgmt_api"
    reason: str = ""
    at: float = 0.0
    until: float | None = None


@dataclass(slots=True, frozen=True)
class DelayedMessage:
    """A message of `$delayed/N/topic`; `message.topic` is the real topic, `due` unix seconds, `interval` N seconds."""

    message: Message
    due: float
    interval: int
    node: str


@dataclass(slots=True, frozen=True)
class ApiKey:
    """An API key; `expires` is unix seconds or None for infinity; the secret is a salted sha256 (`salt$hex`)."""

    name: str
    key: str
    secret_hash: str
    role: str | None = "administrator"
    enable: bool = True
    description: str = ""
    expires: float | None = None
    created: float = 0.0


@dataclass(slots=True, frozen=True)
class DashboardUser:
    """A dashboard account; the password is a salted sha256 (`salt$hex`)."""

    username: str
    password_hash: str
    role: str | None = "administrator"
    description: str = ""
