"""Process 1 of a lab's namespaces: the account, and the machines and balancers that it says are there.

The rule: when it ends, everything in the lab ends; it ends when the one who started it is gone.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import uvloop

from components.system.files import replace
from lab.aws.account import Account, network, prepared
from lab.aws.cloud import READY


class Inside:
    """One lab."""

    def __init__(self, directory: Path) -> None:
        """Nothing runs yet."""
        self._directory = directory

    async def run(self) -> None:
        """Bring it up, say so, and hold it until the end."""
        prepared()
        account = Account(self._policies, self._control)
        place = await asyncio.to_thread(account.furnish, network())
        replace(self._directory / READY, place.text())
        await asyncio.Event().wait()

    def _policies(self, who: str) -> list[Mapping[str, Any]] | None:  # noqa: ARG002
        return None

    def _control(self, path: str, asked: Any) -> Any:  # noqa: ARG002
        raise LookupError(f"no such thing in the lab: {path}")


async def _until_told(work: Any) -> None:
    """Run until a signal, or until whoever started us is gone, which closes our standard input."""
    loop, over = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, over.set)
    loop.add_reader(0, lambda: None if os.read(0, 1) else over.set())
    running, end = asyncio.create_task(work), asyncio.create_task(over.wait())
    await asyncio.wait({running, end}, return_when=asyncio.FIRST_COMPLETED)
    if running.done():
        running.result()


def main() -> None:
    """Whatever is left when this process ends is ended by the kernel."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            runner.run(_until_told(Inside(Path(sys.argv[1])).run()))
        except OSError as error:
            print(f"lab aws: {error}", file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)


if __name__ == "__main__":
    main()
