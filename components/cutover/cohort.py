"""Which clients belong to which colour at a share; the same arithmetic as the balancer's, so that nobody is moved twice.

The rule: a client belongs to green iff ``crc32(client id) % 10000 < green's share`` (docs/emqx/balancer.md#the-share-by-hash: equal to HAProxy's
``crc32,mod(10000)`` for ASCII and UTF-8 ids), so a larger share only ever adds clients.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence

from components.cutover.words import PARTS, Colour

_ASSIGNED = re.compile(r"[0-9A-Za-z]{16}")


def parts_of(client_id: str) -> int:
    """The client's place in 0..9999."""
    return zlib.crc32(client_id.encode()) % PARTS


def belongs(client_id: str, green_parts: int) -> bool:
    """Whether the client is green's when green has ``green_parts`` of 10,000."""
    return parts_of(client_id) < green_parts


def green_parts(to: Colour, share_percent: float) -> int:
    """Green's parts of 10,000 when ``to`` has ``share_percent`` (0..100) of the clients.

    Raises:
        ValueError: a share outside 0..100.

    """
    if not 0 <= share_percent <= 100:
        message = f"share {share_percent}: 0..100 is allowed"
        raise ValueError(message)
    parts = round(share_percent * PARTS / 100)
    return parts if to == "green" else PARTS - parts


def share_percent(to: Colour, parts: int) -> float:
    """The percentage that ``to`` has when green has ``parts`` of 10,000; the inverse of ``green_parts``."""
    return (parts if to == "green" else PARTS - parts) * 100 / PARTS


def everybody(to: Colour) -> int:
    """Green's parts when ``to`` has all clients."""
    return PARTS if to == "green" else 0


def looks_assigned(client_id: str) -> bool:
    """Whether EMQX may have assigned this id to a client that came without one.

    Such a client has a new random cohort at each connect, and its listed id says nothing of its route
    (docs/emqx/balancer.md#the-share-by-hash). EMQX assigns 16 letters and digits (recording F_empty_client_id); a device that
    happens to be called like that is taken for one too, which only defers its move to the last step.
    """
    return not client_id or _ASSIGNED.fullmatch(client_id) is not None


def cohort_counts(ids: Sequence[str]) -> tuple[tuple[int, ...], int]:
    """The clients with an id of their own in each hundredth of the hash, and the number of the others."""
    counts = [0] * 100
    assigned = 0
    for one in ids:
        if looks_assigned(one):
            assigned += 1
        else:
            counts[parts_of(one) * 100 // PARTS] += 1
    return tuple(counts), assigned


def moves(client_id: str, to: Colour, parts: int) -> bool:
    """Whether a client on the old colour must leave it when green has ``parts``.

    Ids that look assigned wait until ``to`` has everybody: moving them early may hit them twice, waiting costs nothing.
    """
    return parts == everybody(to) or (_is_of(client_id, to, parts) and not looks_assigned(client_id))


def _is_of(client_id: str, to: Colour, parts: int) -> bool:
    return belongs(client_id, parts) == (to == "green")
