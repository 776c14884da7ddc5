"""What a balancer that does not know clients cannot do, as the plan tells it, and whether the cutover fits into the time that it keeps connections."""

from __future__ import annotations

from collections.abc import Iterator

from components.cutover.capabilities import Capabilities
from components.cutover.portions import Weighed
from components.value import Value


class Limits(Value):
    """``cannot`` is a sentence for each thing; ``most_seconds`` is how long the cutover may take (None: the clients could not be counted), ``keeps_seconds`` how long connections of before its first change are kept (None: as long as they like)."""

    cannot: tuple[str, ...]
    most_seconds: float | None = None
    keeps_seconds: float | None = None


def limits_of(can: Capabilities, weighed: Weighed | None, clients: int | None) -> Limits | None:
    """Those of a cutover of so many clients; None behind a router that knows them and hears at once."""
    if weighed is None:
        return Limits(cannot=(_slow(can),)) if can.act_seconds else None
    most = None if clients is None else round(weighed.most_seconds(clients), 1)
    return Limits(cannot=tuple(_sentences(can)), most_seconds=most, keeps_seconds=can.keeps_seconds)


def _slow(can: Capabilities) -> str:
    return f"an order to the balancer takes about {can.act_seconds:g} s: clients are closed in groups, each of what the budget allows for that time"


def _sentences(can: Capabilities) -> Iterator[str]:
    if not can.cohorts:
        yield "the balancer does not know clients: no cohorts, nobody is sent to the same colour twice but by chance"
    if can.knows_clients == "all-or-nothing":
        yield "there is no share between: whoever connects anew goes to one colour, all of them from one moment on"
    if can.knows_clients == "new-connections":
        yield "a share below 100 % takes who connects anew, and moves nobody"
    if not can.cohorts and not can.closes_clients:
        yield "it cannot close one client's connection: the brokers themselves disconnect everybody, after the whole share is set"
    if can.keeps_seconds is not None:
        yield f"it ends connections of before a change of its weights by itself after {can.keeps_seconds:g} s"
    if can.spread_seconds:
        yield f"after each change of the share it waits {can.spread_seconds:g} s, until nobody is told the one of before any more"
    if can.unseen:
        yield can.unseen
