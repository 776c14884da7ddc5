"""Who may call what: API keys with roles, bearer tokens for all nodes, and the endpoints that make and list both.

Secrets are stored hashed and are answered once, at creation.  Sources: docs/emqx/api.md#keys-and-roles, recordings 01 and 13.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from random import SystemRandom
from typing import Any

from lab.node.api.errors import ApiError
from lab.node.kept.records import ApiKey, DashboardUser
from lab.node.kept.store import Store
from lab.node.rules.passwords import secret_fits, secret_hash

TOKEN_SECONDS = 3600
ROLES = ("administrator", "viewer", "publisher")
BEARER_ONLY = ("api_key", "users", "logout")
_BASIC = {"www-authenticate": 'Basic Realm="emqx-dashboard"'}


@dataclass(frozen=True)
class Actor:
    """Who asks: ``kind`` is ``key`` or ``token``; ``role`` None where it was made on a node without roles."""

    name: str
    kind: str
    role: str | None


def short_hash(text: str) -> str:
    """EMQX's name of a bootstrap key and key of a made one: the first 16 digits of sha512 (recordings 01 and 04)."""
    return hashlib.sha512(text.encode()).hexdigest()[:16]


def hash_secret(secret: str) -> str:
    """``salt$hex`` of a password or an API secret (records.ApiKey, records.DashboardUser)."""
    return secret_hash(secret, SystemRandom())


@dataclass
class Access:
    """The credentials of one cluster.

    ``tokens`` maps a token to (user name, end in unix seconds); they live in memory, as EMQX's are lost when all nodes stop.
    """

    store: Store
    tokens: dict[str, tuple[str, float]] = field(default_factory=dict)
    signing: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)

    def login(self, username: str, password: str, now: float) -> tuple[str, DashboardUser]:
        """A token good for 3600 s on every node; raises 401 for either mistake."""
        user = self.store.dashboard_users.get(username)
        if user is None or not secret_fits(password, user.password_hash):
            raise ApiError(401, "BAD_USERNAME_OR_PWD", "Auth failed")
        token = self._sign({"exp": int((now + TOKEN_SECONDS) * 1000), "iss": "EMQX"})
        self.tokens[token] = (username, now + TOKEN_SECONDS)
        return token, user

    def _sign(self, payload: dict[str, Any]) -> str:
        # Two logins within a millisecond must not share a token, so the header carries a nonce.
        parts = [{"alg": "HS256", "typ": "JWT", "kid": secrets.token_hex(4)}, payload]
        text = ".".join(_b64(json.dumps(part, separators=(",", ":")).encode()) for part in parts)
        return f"{text}.{_b64(hmac.new(self.signing, text.encode(), hashlib.sha256).digest())}"

    def authorize(self, header: str | None, method: str, path: str, now: float, *, roles: bool) -> Actor:
        """The actor of an ``Authorization`` header, who may call ``method`` on ``path`` (without /api/v5).

        ``roles`` says whether the node that is asked knows roles: open source does not.

        Raises:
            ApiError: 401 with the recorded bodies, 400 without a body for broken base64, 403 for the role.

        """
        kind, _, value = (header or "").partition(" ")
        if kind == "Basic":
            actor = self._key(value.strip(), now)
        elif kind == "Bearer":
            actor = self._token(value.strip(), now)
        else:
            raise ApiError(401, "AUTHORIZATION_HEADER_ERROR", "Support authorization: basic/bearer ", _BASIC)
        section = path.lstrip("/").partition("/")[0]
        if actor.kind == "key" and section in BEARER_ONLY:
            sentence = f"Please use bearer Token instead, using API key/secret in {section} path is not permitted"
            raise ApiError(401, "API_KEY_NOT_ALLOW", sentence, _BASIC)
        if roles and not _permitted(actor.role, method, section):
            subject = "This API Key don't" if actor.kind == "key" else "You don't"
            raise ApiError(403, "UNAUTHORIZED_ROLE", f"{subject} have permission to access this resource")
        return actor

    def _key(self, value: str, now: float) -> Actor:
        try:
            name, _, secret = base64.b64decode(value, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            raise ApiError(400, "", None) from None
        for key in self.store.api_keys.values():
            if key.key == name and key.enable and not expired(key, now) and secret_fits(secret, key.secret_hash):
                return Actor(key.name, "key", key.role)
        raise ApiError(401, "BAD_API_KEY_OR_SECRET", "Check api_key/api_secret", _BASIC)

    def _token(self, token: str, now: float) -> Actor:
        username, end = self.tokens.get(token, ("", 0.0))
        user = self.store.dashboard_users.get(username)
        if user is None or end <= now:
            self.tokens.pop(token, None)
            raise ApiError(401, "BAD_TOKEN", "Get a token by POST /login")
        return Actor(username, "token", user.role)


def _permitted(role: str | None, method: str, section: str) -> bool:
    if role == "viewer":
        return method in {"GET", "HEAD"} or section == "logout"
    if role == "publisher":
        return method == "POST" and section == "publish"
    return True


def expired(key: ApiKey, now: float) -> bool:
    """Whether the key's end has passed."""
    return key.expires is not None and key.expires <= now


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def read_bootstrap(store: Store, path: Path, now: float) -> list[int]:
    """Take the API keys of a bootstrap file over; returns the numbers of the lines that are none (they are skipped).

    One ``key:secret[:role]`` per line.  A line that has gone does not remove its key; a changed secret or role is taken
    (docs/emqx/api.md#keys-and-roles).
    """
    wrong = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not line.strip():
            continue
        key, *rest = line.strip().split(":")
        secret, role = (rest[0] if rest else ""), (rest[1] if len(rest) > 1 else "administrator")
        if not key or not secret or role not in ROLES:
            wrong.append(number)
            continue
        name = f"from_bootstrap_file_{short_hash(key)}"
        old = store.api_keys.get(name)
        store.api_keys[name] = ApiKey(
            name=name,
            key=key,
            secret_hash=hash_secret(secret),
            role=role,
            description="Bootstrapped From File",
            created=old.created if old else now,
        )
    return wrong
