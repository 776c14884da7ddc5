"""The seam between the cutover and a router; a router that cannot do one of these says so by its class, not at run time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from components.cutover.words import Colour


class Router(Protocol):
    """The share and the memory of a balancer, over all its replicas.

    The memory survives a restart of the balancer: ``run`` (the token of the lease), ``origin`` (the colour whose data the other one
    was filled from), ``began_at`` (unix seconds), ``opened_at``, ``imported`` and ``drained_at`` (a colour and unix seconds: ``blue 1795344713``).
    """

    async def share(self) -> int:
        """Green's share in parts of 10,000; Refused when replicas disagree."""
        ...

    async def set_share(self, parts: int, *, holder: str | None = None) -> None:
        """Set green's share on every replica and in the file, and read it back.

        ``holder`` is the run that acts: LeaseLost when another one holds the lease at the moment of writing.
        """
        ...

    async def memory(self) -> Mapping[str, str]:
        """Everything remembered."""
        ...

    async def remember(self, values: Mapping[str, str | None], *, holder: str | None = None) -> None:
        """Set the named values; ``None`` forgets. ``holder`` as above."""
        ...

    async def settle(self) -> None:
        """Bring every replica to what the files say, after a run that was killed between two of them."""
        ...

    async def health(self) -> Mapping[Colour, Mapping[str, bool]]:
        """For each colour and node name, whether the balancer has it fully up (``UP``, not ``UP 1/2``)."""
        ...
