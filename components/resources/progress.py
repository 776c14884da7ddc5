"""Progress lines in the update's output, at the resource that they are about.

The rule: a line is shown live and not repeated at the end, as a print would be.
"""

from __future__ import annotations

import contextlib
import inspect
import sys
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache

import grpc  # type: ignore[import-untyped]  # no stubs
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc

LOG_SECONDS = 2.0


@dataclass
class _Row:
    """Where progress is shown, and whether any was."""

    urn: str = ""
    shown: bool = False


_row: ContextVar[_Row] = ContextVar("row")


@contextlib.contextmanager
def serving() -> Iterator[None]:
    """Let progress lines stand at the resource whose request this thread serves; the SDK does not hand its URN down."""
    frame = inspect.currentframe()
    while frame is not None and not hasattr(frame.f_locals.get("request"), "urn"):
        frame = frame.f_back
    row = _Row(frame.f_locals["request"].urn if frame else "")
    _row.set(row)
    yield
    if row.shown:
        progress("")  # or the engine would show the last line once more, behind "created"


def progress(line: str) -> None:
    """Show a line in the update's output now, and only once (a print would appear again in the summary at the end)."""
    row, log = _row.get(_Row()), _engine_log()
    row.shown = True
    if (log is None or not log(row.urn, line)) and line:
        sys.stdout.write(f"{line}\n")


@cache
def _engine_log() -> Callable[[str, str], bool] | None:
    """Sends a line to the engine whose address is the provider's last argument; None where there is no engine."""
    address = sys.argv[-1]
    if len(sys.argv) < 2 or ":" not in address:
        return None
    stub = engine_pb2_grpc.EngineStub(grpc.insecure_channel(address))

    def log(urn: str, line: str) -> bool:
        request = engine_pb2.LogRequest(severity=engine_pb2.INFO, message=line, urn=urn, ephemeral=True)
        with contextlib.suppress(grpc.RpcError):
            stub.Log(request, timeout=LOG_SECONDS)
            return True
        return False

    return log
