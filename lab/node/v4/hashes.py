"""How 4.x keeps passwords: a hash in hexadecimal, from 4.3 on with four bytes of salt before it (V_4.3.22_data, V_4.2.14_data; recomputed from them)."""

from __future__ import annotations

import hashlib
import hmac
from random import Random

SALT_BYTES = 4
_DIGESTS = {"md5": "md5", "sha": "sha1", "sha256": "sha256", "sha512": "sha512"}


def digest(kind: str, data: bytes) -> bytes:
    """The hash of ``plain``, ``md5``, ``sha``, ``sha256`` or ``sha512``."""
    if kind == "plain":
        return data
    return hashlib.new(_DIGESTS[kind], data, usedforsecurity=False).hexdigest().encode()


def salted(kind: str, password: str, random: Random) -> bytes:
    """What 4.3 keeps of a password, and 4.2's emqx_auth_clientid and emqx_auth_username."""
    salt = random.randbytes(SALT_BYTES)
    return salt + digest(kind, salt + password.encode())


def fits(kind: str, secret: bytes, password: bytes) -> bool:
    """Whether a password is the one of a hash, salted or not."""
    bare = digest(kind, password)
    if kind != "plain" and len(secret) == len(bare):
        return hmac.compare_digest(secret, bare)
    salt = secret[:SALT_BYTES]
    return hmac.compare_digest(secret, salt + digest(kind, salt + password))


def admin_secret(password: str, random: Random) -> bytes:
    """What the dashboard keeps."""
    salt = random.randbytes(SALT_BYTES)
    return salt + hashlib.md5(salt + password.encode(), usedforsecurity=False).digest()


def admin_fits(secret: bytes, password: str) -> bool:
    """Whether a password is a dashboard user's."""
    salt = secret[:SALT_BYTES]
    return hmac.compare_digest(
        secret[SALT_BYTES:], hashlib.md5(salt + password.encode(), usedforsecurity=False).digest()
    )
