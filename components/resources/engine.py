"""What a dynamic provider knows of its engine: the only module that reaches into `pulumi.dynamic.__main__`.

The rule: whatever ends the update (Ctrl-C, SIGTERM, a killed engine) sets one process-wide flag, and every long action
looks at it. All of it is switched on by ``attach()``, which a provider calls from ``configure()``: that runs in the
provider's process only, never in the program's.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from functools import cache
from types import SimpleNamespace
from typing import Any, TypeVar

from components.emqx.errors import Stopped
from components.system.memory import collect_briefly

T = TypeVar("T")
POLL_SECONDS = 0.2
GRACE_SECONDS = 2.0
ORPHAN_SECONDS = 5.0

_stopped = threading.Event()
_reasons: list[str] = []


@cache
def attach() -> None:
    """Hear the engine's Cancel, notice its death, and shorten errors to one line; once per process."""
    main = sys.modules["__main__"]
    servicer = getattr(main, "DynamicResourceProviderServicer", None)
    if servicer is not None:
        # The server holds the bound method already, so the code inside it is what must change.
        servicer.Cancel.__code__ = _cancel.__code__
        # The servicer answers a failure with traceback.format_exc(), which is what the person sees.
        vars(main)["traceback"] = SimpleNamespace(format_exc=one_line)
    # A full collection that walks all of Pulumi stops every thread for 0.1 to 0.3 s, in which nobody is moved.
    collect_briefly()
    threading.Thread(target=_watch_parent, args=(os.getppid(),), daemon=True, name="engine-watch").start()


def _cancel(self: Any, request: Any, context: Any) -> Any:  # noqa: ARG001  -- runs as the servicer's own method
    """Answer Cancel; only the code is taken, so no name of this module is known here."""
    import sys

    from google.protobuf import empty_pb2  # type: ignore[import-untyped]  # no stubs

    sys.modules["components.resources.engine"].stop("the update was cancelled")
    return empty_pb2.Empty()


def _watch_parent(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(POLL_SECONDS)
    stop("the engine is gone")
    time.sleep(ORPHAN_SECONDS)
    os._exit(1)  # nobody will ever ask an orphan again, and its server would wait for ever


def stop(reason: str) -> None:
    """Let every action of this process end at its next safe point."""
    _reasons.append(reason)
    _stopped.set()


def interrupted() -> None:
    """Raise Stopped when this update must not act any more."""
    if _stopped.is_set():
        raise Stopped("this update", seen=_reasons[0], todo="run `pulumi up` again; it goes on from what it finds")


def one_line() -> str:
    """The exception that is being handled as one line without a traceback: ``Refused: import of x on emqx@..: ...``."""
    failure = sys.exc_info()[1]
    return f"{type(failure).__name__}: {' '.join(str(failure).split())}"


def run_bounded(make: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine to its end, or cancel it when the update is stopped; it then has GRACE_SECONDS to clean up."""

    async def watched() -> T:
        task = asyncio.create_task(make())
        while not task.done() and not _stopped.is_set():
            await asyncio.wait({task}, timeout=POLL_SECONDS)
        if not task.done():
            task.cancel()
            await asyncio.wait({task}, timeout=GRACE_SECONDS)
            if not task.done() or task.cancelled():
                interrupted()
        return task.result()

    interrupted()
    return asyncio.run(watched())
