"""Certificates and keys, read and judged before anything listens with them.

The rule: a refusal says what is there and what is allowed, and nothing of a key is in any message, name or fingerprint.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from pydantic import TypeAdapter, ValidationError

from components.emqx.errors import BadInput
from components.routers.listeners import Certificate

SMALLEST_RSA_BITS = 2_048
"""OpenSSL of today refuses smaller ones."""
_KEY = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----.+?-----END [A-Z ]*PRIVATE KEY-----", re.DOTALL)
_BY_NAME = TypeAdapter(dict[str, str])


class UnfitError(ValueError):
    """What cannot be used: ``part`` is the setting below the certificate (``chain``, ``key``, ``named``, or nothing)."""

    def __init__(self, part: str, seen: str, allowed: str) -> None:
        super().__init__(f"{seen}; allowed: {allowed}")
        self.part, self.seen, self.allowed = part, seen, allowed


@dataclass(frozen=True)
class Pem:
    """A chain, with its key where it has one: ``sha256`` is of the chain alone, ``until`` when its first certificate expires."""

    text: bytes = field(repr=False)
    sha256: str
    until: datetime


def by_name(text: str | None) -> dict[str, str]:
    """The certificates of the stack's config (``emqx:certificates``): JSON, PEM by name; secret.

    Raises:
        BadInput: it is no such object; never a value.

    """
    try:
        return _BY_NAME.validate_json(text or "{}")
    except ValidationError:
        todo = "pulumi config set --secret --path emqx:certificates.NAME < FILE (chain and key, PEM)"
        raise BadInput("emqx:certificates", seen="no object of texts", todo=todo) from None


def read(certificate: Certificate, secrets: Mapping[str, str], now: float) -> Pem:
    """The chain and its key; ``now`` is unix seconds.

    Raises:
        UnfitError: missing, unreadable, expired, or not belonging together.

    """
    if certificate.named is not None:
        if certificate.named not in secrets:
            known = ", ".join(sorted(secrets)) or "none is set"
            raise UnfitError("named", repr(certificate.named[:40]), f"a name in emqx:certificates ({known})")
        text = secrets[certificate.named].encode()
        return _paired(_chain(text, "named", now), _key(text, "named"), "named")
    chain, key = certificate.chain or "", certificate.key or ""
    return _paired(_chain(_file(chain, "chain"), "chain", now), _key(_file(key, "key"), "key"), "key")


def authorities(path: str, now: float) -> Pem:
    """The authorities in a file; ``now`` is unix seconds.

    Raises:
        UnfitError: missing, unreadable, or expired.

    """
    chain = _chain(_file(path, ""), "", now)
    return _pem(chain, b"")


def _file(path: str, part: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "no path"
        # a text of PEM that was written where a path belongs may be a key
        seen = "(not shown)" if "\n" in path or "BEGIN" in path else repr(path[:120])
        raise UnfitError(part, seen, f"a file of PEM that can be read ({why})") from None


def _chain(text: bytes, part: str, now: float) -> Sequence[x509.Certificate]:
    try:
        chain = x509.load_pem_x509_certificates(text)
    except ValueError:
        raise UnfitError(part, "no certificate in it", "PEM with at least one certificate") from None
    moment = datetime.fromtimestamp(now, UTC)
    for one in chain:
        if one.not_valid_after_utc <= moment:
            raise UnfitError(
                part, f"{_name(one)} expired on {one.not_valid_after_utc:%Y-%m-%d}", "one that is valid now"
            )
        if one.not_valid_before_utc > moment:
            seen = f"{_name(one)} is valid from {one.not_valid_before_utc:%Y-%m-%d %H:%M} UTC"
            raise UnfitError(part, seen, "one that is valid now")
    return chain


def _name(certificate: x509.Certificate) -> str:
    return certificate.subject.rfc4514_string()[:80] or "a certificate without a subject"


def _key(text: bytes, part: str) -> PrivateKeyTypes:
    found = _KEY.search(text)
    if found is None:
        raise UnfitError(part, "no private key in it", "PEM with the certificate's private key")
    try:
        return load_pem_private_key(found[0], password=None)
    except TypeError:
        raise UnfitError(part, "the private key has a passphrase", "one without") from None
    except (ValueError, UnsupportedAlgorithm):
        raise UnfitError(part, "a private key that cannot be read", "PEM with the certificate's private key") from None


def _paired(chain: Sequence[x509.Certificate], key: PrivateKeyTypes, part: str) -> Pem:
    public = [one.public_key() for one in (chain[0], key)]
    spelled = {one.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) for one in public}
    if len(spelled) != 1:
        raise UnfitError(part, f"another key than that of {_name(chain[0])}", "the key of the first certificate")
    if isinstance(public[0], RSAPublicKey) and public[0].key_size < SMALLEST_RSA_BITS:
        raise UnfitError(part, f"an RSA key of {public[0].key_size} bits", f"{SMALLEST_RSA_BITS} bits or more")
    return _pem(chain, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def _pem(chain: Sequence[x509.Certificate], key: bytes) -> Pem:
    digest = hashlib.sha256(b"".join(one.public_bytes(Encoding.DER) for one in chain)).hexdigest()
    text = b"".join(one.public_bytes(Encoding.PEM) for one in chain) + key
    return Pem(text, digest, min(one.not_valid_after_utc for one in chain))
