"""A cluster of this machine as it should be; a plain value, made by its resource, read by whatever starts it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from components.cutover.words import Colour


@dataclass(frozen=True)
class Wanted:
    """The cluster as it should be.

    ``network`` is the one it had before, None takes a free one; ``emqx_home`` is the release to run, None for lab nodes.
    """

    name: Colour
    version: str
    edition: str
    nodes: int
    proxy_protocol: bool
    max_sessions: int | None
    directory: Path
    network: str | None
    emqx_home: str | None = None
