"""How EMQX's built-in database keeps passwords: really computed hashes, compared in constant time.

The encoding is EMQX's: hexadecimal for digests and pbkdf2, the crypt string for bcrypt (whose salt is its own first part).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from random import Random
from typing import Any

import bcrypt

from lab.node.kept.records import AuthnUser, ScramUser

_DIGESTS = {"md5": "md5", "sha": "sha1", "sha256": "sha256", "sha512": "sha512"}
_BCRYPT = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
DEFAULT_ALGORITHM: Mapping[str, Any] = {"name": "sha256", "salt_position": "prefix"}


def hash_password(algorithm: Mapping[str, Any], password: bytes, salt: str) -> str:
    """The hash of a password as `AuthnUser.password_hash` keeps it.

    Args:
        algorithm: `password_hash_algorithm` of the authenticator (name, salt_position, or the parameters of pbkdf2).
        password: as the client sends it.
        salt: of the user.

    Raises:
        ValueError: the algorithm is unknown.

    """
    name, position = algorithm["name"], algorithm.get("salt_position", "prefix")
    if name == "bcrypt":
        return _bcrypt(password, salt)
    if name == "pbkdf2":
        length = algorithm.get("dk_length")
        digest = _DIGESTS.get(algorithm["mac_fun"], algorithm["mac_fun"])
        return hashlib.pbkdf2_hmac(
            digest, password, salt.encode(errors="surrogateescape"), int(algorithm["iterations"]), length
        ).hex()
    salted = {
        "prefix": salt.encode(errors="surrogateescape") + password,
        "suffix": password + salt.encode(errors="surrogateescape"),
    }.get(position, password)
    if name == "plain":
        return salted.decode(errors="surrogateescape")
    if name not in _DIGESTS:
        raise ValueError(f"password hash algorithm {name!r} is unknown")
    return hashlib.new(_DIGESTS[name], salted, usedforsecurity=False).hexdigest()


def new_salt(algorithm: Mapping[str, Any], random: Random) -> str:
    """A salt of the form that the algorithm wants; empty where none is used."""
    if algorithm["name"] == "bcrypt":
        cost = int(algorithm.get("salt_rounds", 10))
        return f"$2b${cost:02d}$" + "".join(random.choices(_BCRYPT, k=21)) + random.choice(".Oeu")
    if algorithm.get("salt_position") == "disable" or algorithm["name"] == "plain":
        return ""
    return random.randbytes(16).hex()


def new_user(
    algorithm: Mapping[str, Any], user_id: str, password: str, is_superuser: bool, random: Random
) -> AuthnUser:
    """A user whose password is hashed with a fresh salt."""
    salt = new_salt(algorithm, random)
    return AuthnUser(user_id, hash_password(algorithm, password.encode(), salt), salt, is_superuser)


def verify(algorithm: Mapping[str, Any], user: AuthnUser, password: bytes) -> bool:
    """Whether the password is the user's.

    A hash of another algorithm than the authenticator's never fits, as after an import (docs/emqx/backup.md#what-an-import-does).
    """
    if algorithm["name"] == "bcrypt" and not user.salt.startswith("$2"):
        return False
    made = hash_password(algorithm, password, user.salt)
    return hmac.compare_digest(
        made.encode(errors="surrogateescape"), user.password_hash.encode(errors="surrogateescape")
    )


def new_scram_user(
    algorithm: str, iterations: int, user_id: str, password: str, is_superuser: bool, random: Random
) -> ScramUser:
    """A SCRAM user: RFC 5802's StoredKey and ServerKey; `algorithm` is sha256 or sha512."""
    salt = random.randbytes(16)
    salted = hashlib.pbkdf2_hmac(algorithm, password.encode(), salt, iterations)
    client_key = hmac.digest(salted, b"Client Key", algorithm)
    server_key = hmac.digest(salted, b"Server Key", algorithm)
    return ScramUser(
        user_id, hashlib.new(algorithm, client_key).hexdigest(), server_key.hex(), salt.hex(), is_superuser
    )


def secret_hash(secret: str, random: Random) -> str:
    """A salted sha256 (``salt$hex``) for API secrets and dashboard passwords."""
    salt = random.randbytes(8).hex()
    return f"{salt}${hashlib.sha256((salt + secret).encode()).hexdigest()}"


def secret_fits(secret: str, kept: str) -> bool:
    """Whether a secret is the one behind `secret_hash`."""
    salt, _, wanted = kept.partition("$")
    return hmac.compare_digest(hashlib.sha256((salt + secret).encode()).hexdigest(), wanted)


def _bcrypt(password: bytes, salt: str) -> str:
    # bcrypt looks at 72 bytes and no further; the library refuses more instead of cutting it
    return bcrypt.hashpw(password[:72], salt.encode(errors="surrogateescape")).decode()
