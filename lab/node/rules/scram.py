"""The server's side of SCRAM (RFC 5802), as EMQX's enhanced authentication speaks it; no channel binding, no I/O."""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Mapping
from random import Random
from typing import Any

from lab.node.kept.records import ScramUser

METHODS = {"SCRAM-SHA-256": "sha256", "SCRAM-SHA-512": "sha512"}


def _fields(message: bytes) -> dict[str, str]:
    parts = (part.partition("=") for part in message.decode(errors="replace").split(","))
    return {name: value for name, _, value in parts}


class Exchange:
    """One authentication, between the client's first and its last message.

    Args:
        settings: the authenticator's entry (`algorithm`, `iteration_count`).
        users: user id -> user.
        random: makes the server's nonce.

    Attributes:
        method: the authentication method to repeat in every answer.
        user: the user, once `first` found it.
        connect: whatever the caller needs to finish the CONNECT afterwards.

    """

    def __init__(
        self, settings: Mapping[str, Any], users: Mapping[str, ScramUser], random: Random, connect: Any
    ) -> None:
        self._digest = str(settings.get("algorithm", "sha256"))
        self._iterations = int(settings.get("iteration_count", 4096))
        self._users, self._random = users, random
        self._heard = self._said = ""
        self._nonce = ""
        self.method = next(name for name, digest in METHODS.items() if digest == self._digest)
        self.user: ScramUser | None = None
        self.connect = connect

    def first(self, message: bytes) -> bytes | None:
        """The server's first message; None when the client's is broken or its user unknown."""
        bare = message.partition(b",,")[2]
        fields = _fields(bare)
        self.user = self._users.get(fields.get("n", ""))
        if self.user is None or not fields.get("r"):
            return None
        self._nonce = fields["r"] + b64encode(self._random.randbytes(18)).decode()
        self._heard = bare.decode()
        salt = b64encode(bytes.fromhex(self.user.salt)).decode()
        self._said = f"r={self._nonce},s={salt},i={self._iterations}"
        return self._said.encode()

    def last(self, message: bytes) -> bytes | None:
        """The server's last message (its signature); None when the client's proof is wrong."""
        fields, user = _fields(message), self.user
        without_proof = message.rpartition(b",p=")[0].decode(errors="replace")
        if user is None or fields.get("r") != self._nonce or not without_proof:
            return None
        try:
            proof = b64decode(fields.get("p", ""), validate=True)
        except Base64Error:
            return None
        spoken = f"{self._heard},{self._said},{without_proof}".encode()
        signature = hmac.digest(bytes.fromhex(user.stored_key), spoken, self._digest)
        client_key = bytes(a ^ b for a, b in zip(proof, signature, strict=False))
        if not hmac.compare_digest(hashlib.new(self._digest, client_key).hexdigest(), user.stored_key):
            return None
        return b"v=" + b64encode(hmac.digest(bytes.fromhex(user.server_key), spoken, self._digest))
