"""What every router has in common that does not know clients: it finds no connection, closes none, and counts none."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from components.cutover.words import Colour
from components.routers.base import Mark, SeenAs


class Blind:
    """The half of a ``Router`` that is about single connections."""

    async def connections(self) -> Mapping[Colour, int]:
        """It does not say."""
        return {}

    async def mark(self) -> Mark:
        """Nothing can be closed."""
        return {}

    async def find(
        self,
        colour: Colour,  # noqa: ARG002  -- as the seam has it
        addresses: Collection[str],  # noqa: ARG002
        *,
        seen_as: SeenAs = "client",  # noqa: ARG002
        websocket_only: bool = False,  # noqa: ARG002
    ) -> dict[str, str]:
        """It knows no connection."""
        return {}

    async def close(
        self,
        colour: Colour,  # noqa: ARG002  -- as the seam has it
        found: Mapping[str, str],  # noqa: ARG002
        *,
        seen_as: SeenAs = "client",  # noqa: ARG002
        mark: Mark | None = None,  # noqa: ARG002
    ) -> frozenset[str]:
        """It closes none."""
        return frozenset()
