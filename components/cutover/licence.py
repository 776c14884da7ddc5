"""A licence key of EMQX Enterprise as far as it can be read without EMQX: until when, and for how many sessions.

The rule: a key, or a part of one, is in no message. Whether its signature is EMQX's own is for the node to say; a key that has not the form of one
stops a node's boot after it was stopped (docs/emqx/rolling.md#open-source-to-enterprise), so that is said before.

The form is that of ``emqx_license_parser_v20220101``: two texts in base64 with a dot between; the first one's lines are format, licence's type, customer's
type, name, email, deployment, first day (``20220111``), days, sessions.
"""

from __future__ import annotations

import base64
from datetime import date, timedelta
from typing import NamedTuple

FORMAT = "220111"
FEWEST_LINES = 9
EVALUATION = frozenset({"default", "evaluation"})
EVALUATION_SESSIONS = 25
"""The licence that a node has without a key of its own (docs/emqx/README.md#the-licence)."""


class Licence(NamedTuple):
    """Sessions in all (0: no limit), and the day after the last one; None where it does not end."""

    sessions: int
    until: date | None


class BadLicenceError(ValueError):
    """It has not the form of a key; the message says what is wrong and nothing of it."""


def read(key: str) -> Licence:
    """What the key says.

    Raises:
        BadLicenceError: it has not the form of one.

    """
    text = key.strip()
    if text in EVALUATION:
        return Licence(EVALUATION_SESSIONS, None)
    payload, dot, signature = text.partition(".")
    if not dot or not signature:
        message = "it has not two parts with a dot between"
        raise BadLicenceError(message)
    lines = [line.strip() for line in _decoded(payload).strip().split("\n")]
    _decoded(signature, text=False)
    if len(lines) < FEWEST_LINES or lines[0] != FORMAT:
        message = f"its first part has {len(lines)} lines and is not of format {FORMAT}"
        raise BadLicenceError(message)
    try:
        began = date(int(lines[6][:4]), int(lines[6][4:6]), int(lines[6][6:8]))
        return Licence(int(lines[8]), began + timedelta(days=int(lines[7])))
    except (ValueError, OverflowError):
        message = "its first day, days or sessions are no numbers"
        raise BadLicenceError(message) from None


def _decoded(part: str, *, text: bool = True) -> str:
    try:
        raw = base64.b64decode("".join(part.split()), validate=True)
        return raw.decode("utf-8") if text else ""
    except ValueError:
        pass
    message = "a part of it is no base64"
    raise BadLicenceError(message)
