"""What tells how new nodes are born where the data of another colour are converted for them, as values.

The rule: no file is read here (``links.given`` does), and nothing that converts is loaded.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from components.cutover.words import Edition
from components.migration.words import Credential
from components.value import Value


class Wanted(Value):
    """What the stack says of a conversion: where the configuration of the old colour lies, its decisions, and the editions, old one first.

    ``ours`` is whether the new nodes are made by a target of ours, whose doors are its own; ``carry_api_keys`` whether keys of applications are imported where
    somebody may log in.
    """

    configuration: tuple[str, ...]
    credential_type: Credential | None = None
    jwt_key: str | None = None
    editions: tuple[Edition, Edition]
    acknowledge: tuple[str, ...] = ()
    ours: bool = True
    carry_api_keys: bool = True


class Birth(Value):
    """What tells which configuration new nodes are born with: versions, old one first, the old colour, and what the stack gives of it."""

    versions: tuple[str, str]
    source: str
    wanted: Wanted


def written(begins: Mapping[str, Any]) -> str:
    """What nodes begin with as a file of HOCON."""
    return json.dumps(begins, indent=1) + "\n"
