"""A cluster of this machine as it should be; a plain value, made by its resource, read by whatever starts it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from components.cutover.words import Colour
from components.emqx.models import ClusterHandle


@dataclass(frozen=True)
class Wanted:
    """The cluster as it should be.

    ``network`` is the one it had before, None takes a free one; ``emqx_home`` is the release to run, None for lab nodes. ``in_place`` is whether nodes
    that are there keep the version that they have, whatever is declared, until a roll restarts them; ``in_work`` is the node that a roll has taken out,
    which is the roll's alone. ``beside`` is
    the colour whose cluster the nodes join, None where they are one of their own. ``files`` are what nodes that start for the first time find in ``etc``.
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
    in_place: bool = False
    in_work: str | None = None
    beside: ClusterHandle | None = None
    files: Mapping[str, str] = field(default_factory=dict)
