"""What differs between 4.2, 4.3 and 4.4, as data; no other module of the dialect compares versions.

Source: docs/emqx/v4.md and v4-data.md. What stands on EMQX's documents only (everything of Enterprise) stands in docs/emqx/v4.md#not-recorded.
"""

from __future__ import annotations

from dataclasses import dataclass

from components.cutover.versions import Line, Version
from components.cutover.words import Edition

ROOT = "/api/v4"
"""Where the management API of 4.x begins, on port 8081."""
FIRST_LINE: Line = (4, 2)
"""Of an older line there is no recording."""
HEALTH_CHECK = "/status"
"""Without credentials; 503 on 4.3 and 4.4 until the last plugin is there, and on 4.2 the port opens after all of them."""
EVACUATION_SINCE = Version(4, 4, 12)
"""Enterprise only; by EMQX's documents."""


@dataclass(frozen=True)
class LineTraits:
    """What one line can do.

    ``counts_sockets`` is whether a node tells sockets from sessions of clients that are offline; ``by_login`` whether users and rules are
    kept by login (4.2) or by client id and by user name; ``hands_out`` whether an export can be downloaded over the API; ``imports`` whether
    one can be imported over it; ``backups`` is the directory of exports below a node's data directory.
    """

    counts_sockets: bool
    by_login: bool
    hands_out: bool
    imports: bool
    backups: str


_LINES: dict[Line, LineTraits] = {
    (4, 2): LineTraits(counts_sockets=False, by_login=True, hands_out=True, imports=False, backups=""),
    (4, 3): LineTraits(counts_sockets=False, by_login=False, hands_out=True, imports=True, backups=""),
    (4, 4): LineTraits(counts_sockets=True, by_login=False, hands_out=False, imports=True, backups="backup"),
}


def traits_of(version: Version) -> LineTraits:
    """The traits of a version; those of the last line for what is newer, since 4.4 is the end of 4.x."""
    return _LINES.get(version.line, _LINES[4, 4])


def has_evacuation(version: Version, edition: Edition) -> bool:
    """Whether nodes of this release can be evacuated."""
    return edition == "ee" and version >= EVACUATION_SINCE
