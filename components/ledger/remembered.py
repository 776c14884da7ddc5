"""What the balancer of a work directory holds, read from its files: before the config is judged, and when nothing runs any more.

The rule: it only reads; what is not there, or cannot be read, is not known, never guessed.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from components.cutover.cohort import share_percent
from components.cutover.words import COLOURS, Colour
from components.ledger.base import origin
from components.ledger.files import record_of

STACK = "stack"
"""The file that names whose balancer and clusters these are: another stack would adopt them, and end them with its own."""
EXTERNAL = "external"
"""The file that names the colours whose clusters are not ours: what serves is not exchanged under its name."""


class Remembered(NamedTuple):
    """Green's share in parts of 10,000 (None: no balancer ever ran here), what the balancer remembers, by name, and who is not ours."""

    share: int | None = None
    memory: Mapping[str, str] = {}
    external: tuple[Colour, ...] = ()

    @property
    def origin(self) -> Colour | None:
        """The colour whose data filled the other one."""
        return origin(self.memory)

    @property
    def holding(self) -> tuple[Colour, ...]:
        """The colours that have a share."""
        share = self.share
        return () if share is None else tuple(colour for colour in COLOURS if share_percent(colour, share) > 0)

    @property
    def serving(self) -> Colour | None:
        """The one colour that has everybody."""
        return self.holding[0] if len(self.holding) == 1 else None


def directory_of(work_directory: str) -> Path:
    """Where the balancer of a stack works."""
    return Path(work_directory) / "balancer"


def stack_of(work_directory: str) -> str | None:
    """The stack that works in this directory; None when no update of one ever did."""
    try:
        return (directory_of(work_directory) / STACK).read_text().strip() or None
    except OSError:
        return None


def remembered(work_directory: str) -> Remembered:
    """What the files say."""
    directory = directory_of(work_directory)
    try:
        record = record_of(directory)
    except (OSError, ValueError):
        return Remembered()
    return Remembered() if record.share is None else Remembered(*record, _external(directory))


def _external(directory: Path) -> tuple[Colour, ...]:
    try:
        names = (directory / EXTERNAL).read_text().split()
    except (OSError, ValueError):
        return ()
    return tuple(colour for colour in COLOURS if colour in names)
