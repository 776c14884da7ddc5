"""What others say of an old cluster in a word or two, for whoever reads none of its files.

The rule: nothing is imported here, so that an update that converts nothing loads nothing that converts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

Credential = Literal["username", "clientid"]


class Shown(NamedTuple):
    """What the nodes show: plugins by name with whether they are active, and by ``tcp``, ``ssl``, ``ws``, ``wss`` the ports that they listen on."""

    plugins: Mapping[str, bool]
    listeners: Mapping[str, frozenset[int]]
