"""The ways in which an update ends in the middle, for any world in memory: it is cancelled, its disk is full, the balancer is gone, another one took over.

The rule: from the act on at which it happens nothing goes well any more, until the test sets it right.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Protocol

from components.emqx.errors import LeaseLost, Stopped, Unreachable
from components.ledger.base import LEASE
from components.run.run import Run

ENDS = (Stopped, OSError, Unreachable, LeaseLost)
"""What an update raises that ends in one of these ways."""


class Troubled(Protocol):
    """A world with what may go wrong."""

    cancelled: bool
    full: bool
    gone: bool
    ledger: Any


def no_space() -> OSError:
    return OSError(errno.ENOSPC, "No space left on device", "somewhere")


def cancelled(world: Troubled) -> None:
    world.cancelled = True


def disk_full(world: Troubled) -> None:
    world.full = True


def balancer_gone(world: Troubled) -> None:
    world.gone = True


def overtaken(world: Troubled) -> None:
    world.ledger.memory[LEASE] = "another update"


WAYS: Mapping[str, Callable[[Troubled], None]] = {
    one.__name__: one for one in (cancelled, disk_full, balancer_gone, overtaken)
}


def troubled(world: Troubled, run: Run, router: Any) -> Run:
    """The run, to which it happens; ``router`` is a copy of its own, which is asked from now on."""
    write, share = run.record, run.router.share

    def interrupted() -> None:
        if world.cancelled:
            raise Stopped("this update", seen="the update was cancelled", todo="run it again")

    def record(event: str, **facts: Any) -> None:
        if world.full:
            raise no_space()
        write(event, **facts)

    async def asked() -> int:
        if world.gone:
            raise Unreachable("asking the balancer", node="balancer", seen="nothing", todo="start it")
        return await share()

    router.share = asked
    return replace(run, interrupted=interrupted, record=record, router=router)
