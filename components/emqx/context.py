"""A cluster of either dialect as a context that closes its connections.

The rule: whoever opens one closes it, whatever happened meanwhile.
"""

from __future__ import annotations

from typing import Any, Self


class Opened:
    """What both dialects have of it; ``http`` are the connections of the dialect, with ``close`` and ``node_names``."""

    http: Any

    async def __aenter__(self) -> Self:
        """Use as a context, so that the connections are closed."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close all connections."""
        await self.http.close()

    @property
    def node_names(self) -> tuple[str, ...]:
        """The declared nodes, in the handle's order."""
        names: tuple[str, ...] = self.http.node_names
        return names
