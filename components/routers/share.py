"""The share as it should be and the share in force, changed together while nobody else may write either.

The rule: the ledger first. A router that restarts at that very moment comes back with the new share, and a run that is killed in between
is finished by ``settle`` of the next one.
"""

from __future__ import annotations

from components.ledger.base import Ledger
from components.routers.base import Router


async def set_share(router: Router, ledger: Ledger, parts: int, *, holder: str | None) -> None:
    """Write green's share (parts of 10,000) and bring it into force.

    Raises:
        BadInput: no share; nothing was written.
        LeaseLost: another run than ``holder`` may act; nothing was written.
        NotNow, Unreachable: the router did not take it, and ``settle`` has to.

    """
    async with ledger.held(holder) as writing:
        await writing.write(share=parts)
        await router.set_share(parts)


async def settle(router: Router, ledger: Ledger) -> None:
    """Bring every replica to what the ledger says: after a run that was killed between two of them, or for a replica that is new."""
    async with ledger.held(None) as writing:
        if writing.record.share is not None:
            await router.set_share(writing.record.share)
