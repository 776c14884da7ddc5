"""What one node starts with: its release and what its ``emqx.conf`` says; every node of a cluster may have its own.

The rule: a value, fixed from one start of the node to the next.
"""

from __future__ import annotations

import base64
import re
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from components.cutover.licence import BadLicenceError, read

Edition = Literal["ee", "ce"]
EVALUATION_SESSIONS = 25
SIGNATURE = "bGFi"
_KEY = re.compile(r"lab-(\d+)-\S+", re.ASCII)


@dataclass(frozen=True)
class Terms:
    """What one node starts with.

    Attributes:
        version, edition: ``5.8.11``; ``ee`` or ``ce``.
        max_sessions: of the licence; None for no limit.  It counts on an Enterprise node only.
        cookie: nodes with another one never meet.
        cluster_name: what it says its cluster is called; empty for what its life line is called.  It is no protection (A5_variants_ce).
        seeds: whom it looks for when it boots alone (``cluster.static.seeds``); empty where it waits for an invitation.

    """

    version: str
    edition: Edition
    max_sessions: int | None = EVALUATION_SESSIONS
    cookie: str = "emqxsecretcookie"
    cluster_name: str = ""
    seeds: tuple[str, ...] = ()


def sessions_of(key: str) -> int:
    """The sessions that a licence key allows; without a key, those of the evaluation licence.

    A key is the lab's own, ``lab-1000-anything``, or has EMQX's form (``components.cutover.licence``) with ``SIGNATURE`` for its signature: whether a
    signature is right only a node can say.

    Raises:
        ValueError: it is none; in EMQX's words (F1_ce_to_ee_mixed_and_roll).

    """
    if key in {"", "default", "evaluation"}:
        return EVALUATION_SESSIONS
    found = _KEY.fullmatch(key)
    if found is None and key.endswith(f".{SIGNATURE}"):
        with suppress(BadLicenceError):
            return read(key).sessions
    if found is None:
        raise ValueError("Error reading license: bad_license_format")
    return int(found[1])


def licence_key(sessions: int, signature: str = SIGNATURE) -> str:
    """A key of EMQX's form that the lab takes for so many sessions (0: no limit)."""
    lines = ["220111", "1", "2", "Planted", "planted@example.org", "default", "20260101", "3650", str(sessions)]
    return f"{base64.b64encode(chr(10).join(lines).encode()).decode()}.{signature}"
