"""The wait after a change of the share that reaches devices by answers which others keep: nobody is moved who may still be told the share of before.

The rule: until when is remembered with the share, so that a run which was killed in the wait is followed by one that waits for the rest.
"""

from __future__ import annotations

from components.emqx.errors import NotNow
from components.ledger.base import SPREADS_UNTIL, Ledger
from components.routers.base import Router, Spreads
from components.routers.share import settle
from components.run.run import IN_SYNC_SECONDS, Clock, Run

SLICE_SECONDS = 0.95
MOST_SECONDS = 86_400.0
"""No wait is longer, whatever the clock of the machine that remembered it said."""


async def spread(run: Run, step: str) -> None:
    """Wait until whoever connects is told the share that is in force; nothing behind a router whose share is in force at once.

    Raises:
        NotNow: not everybody who answers devices has it.
        Stopped, LeaseLost, GateFailed: as every act (``run.checkpoint``).

    """
    if not isinstance(run.router, Spreads):
        return
    await noted(run.router, run.ledger, run.clock, run.token)
    until = float((await run.memory()).get(SPREADS_UNTIL) or 0)
    seconds = min(until - run.clock.now(), MOST_SECONDS)
    if seconds <= 0:
        return
    run.progress(
        f"{step}: {seconds:.0f} s until nobody is told the share of before any more, but by who keeps answers for longer"
    )
    run.record("spread", step=step, seconds=round(seconds, 3))
    await _rest(run, seconds)


async def settled(run: Run) -> None:
    """Every replica as the ledger says, and what that changed is waited for as any change of the share."""
    await settle(run.router, run.ledger)
    await noted(run.router, run.ledger, run.clock)


async def noted(router: Router, ledger: Ledger, clock: Clock, holder: str | None = None) -> None:
    """Wait until every name server has the router's last change of the share, and remember until when answers of before may be kept.

    Raises:
        NotNow: not everybody who answers devices has it.
        LeaseLost: another run than ``holder`` may act.

    """
    if not isinstance(router, Spreads):
        return
    end = clock.now() + IN_SYNC_SECONDS
    while (kept := await router.in_sync()) is None:
        if clock.now() >= end:
            seen = f"after {IN_SYNC_SECONDS:g} s not every name server has the change of the share"
            raise NotNow("spreading the share", node="the balancer", seen=seen, todo="run the update again")
        await clock.sleep(SLICE_SECONDS)
    if kept:
        async with ledger.held(holder) as writing:
            await writing.write({SPREADS_UNTIL: f"{clock.now() + kept:.3f}"})


async def _rest(run: Run, seconds: float) -> None:
    """In slices, so that an interruption is heard."""
    end = run.clock.now() + seconds
    while (left := end - run.clock.now()) > 0:
        await run.checkpoint()
        await run.clock.sleep(min(left, SLICE_SECONDS))
