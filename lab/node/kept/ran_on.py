"""What a node's disk says of who ran on when it was stopped: it waits for one of them before it serves (D5_restore_backup_ce_5.8.8).

The rule: it lies in the data directory, so that a copy has it too; a node that is in its cluster again has none.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from components.system.files import replace

FILE = "ran_on.json"


def remember(place: Path, names: Collection[str]) -> None:
    """These nodes run on; nothing is written where there are none, or no data."""
    if names and place.is_dir():
        replace(place / FILE, json.dumps(sorted(names)))


def ran_on(place: Path) -> frozenset[str]:
    """The nodes that ran on; none for the last one of a cluster, and for one that died."""
    with suppress(OSError):
        return frozenset(json.loads((place / FILE).read_text()))
    return frozenset()


def forget(place: Path) -> None:
    """It is in its cluster again."""
    (place / FILE).unlink(missing_ok=True)
