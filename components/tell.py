"""``python -m components.tell pause|resume|abort --stack dev --why ...``: an order to the update that runs, or to the next one.

The rule: it writes into the ledger and nowhere else, so it may be given from any machine that reaches the balancer.
"""

from __future__ import annotations

import argparse
import asyncio
import getpass
import sys
import time
from collections.abc import Sequence

from components.emqx.errors import Refused, UpgradeError
from components.emqx.models import BalancerHandle
from components.ledger.base import LEASE
from components.ledger.registry import ledger_of
from components.run.orders import ABORT, HOLD, Order, written
from components.stack_file import balancer_of, settings_of


def main(arguments: Sequence[str]) -> int:
    """Give the order; 1 with one line where it cannot be given."""
    parser = argparse.ArgumentParser(prog="python -m components.tell", description=__doc__)
    parser.add_argument("order", choices=["pause", "resume", "abort"])
    parser.add_argument("--stack", required=True)
    parser.add_argument("--why", default="", help="the journal and the report name it")
    parser.add_argument("--who", default=getpass.getuser())
    given = parser.parse_args(arguments)
    try:
        settings = settings_of(given.stack)
        order = Order(time.time(), given.who, given.why)
        told = asyncio.run(tell(balancer_of(settings, given.stack), given.order, order))
    except UpgradeError as refused:
        sys.stderr.write(f"{given.order}: {refused}\n")
        return 1
    sys.stdout.write(f"{told}\n")
    return 0


async def tell(handle: BalancerHandle, word: str, order: Order) -> str:
    """Write the order; what was done, in one line.

    Raises:
        Refused: there is nothing to resume, or the ledger cannot be written.
        BadInput: nobody is named, or no reason.

    """
    async with ledger_of(handle).held(None) as writing:
        memory = writing.record.memory
        if word == "resume":
            if HOLD not in memory:
                raise Refused("resuming", node="the ledger", seen="nothing is held", todo="look with `make watch`")
            await writing.write({HOLD: None})
            return f"it may go on; it was held by {memory[HOLD]}"
        key = HOLD if word == "pause" else ABORT
        await writing.write({key: written(order)})
    run = memory.get(LEASE, "")[:8] or "none"
    then = (
        "the next update waits too, until `make resume`"
        if key == HOLD
        else "one that runs moves everybody back and fails"
    )
    return f"{word} was asked for by {order}; last run {run}; {then}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
