"""Lab clusters as the target `local` starts them, for tests that call the operations without an engine."""

from __future__ import annotations

from pathlib import Path

from components.cutover.words import Colour
from components.local.wanted import Wanted

VERSIONS: dict[Colour, str] = {"blue": "5.8.6", "green": "5.8.9"}


def wanted(
    directory: Path,
    version: str = "5.8.9",
    *,
    colour: Colour = "blue",
    nodes: int = 1,
    proxy_protocol: bool = False,
) -> Wanted:
    """Enterprise without a licence's limit, at addresses that are free."""
    return Wanted(
        colour, version, "ee", nodes, proxy_protocol=proxy_protocol, max_sessions=0, directory=directory, network=None
    )
