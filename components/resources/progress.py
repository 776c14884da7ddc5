"""Progress lines and warnings in the update's output, at the resource that they are about.

The rule: progress is shown live and not repeated at the end, as a print would be; what is still to be done when the update has ended is a warning.
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
    row = _row.get(_Row())
    row.shown = True
    if not _sent(row, line, engine_pb2.INFO, ephemeral=True) and line:
        sys.stdout.write(f"{line}\n")


def warning(line: str) -> None:
    """Show a warning that stays in the update's diagnostics, at the resource that it is about; it may have several lines."""
    if not _sent(_row.get(_Row()), line, engine_pb2.WARNING, ephemeral=False):
        sys.stdout.write(f"warning: {line}\n")


def _sent(row: _Row, line: str, severity: engine_pb2.LogSeverity.ValueType, *, ephemeral: bool) -> bool:
    log = _engine_log()
    request = engine_pb2.LogRequest(severity=severity, message=line, urn=row.urn, ephemeral=ephemeral)
    return log is not None and log(request)


@cache
def _engine_log() -> Callable[[engine_pb2.LogRequest], bool] | None:
    """Sends to the engine whose address is the provider's last argument; None where there is no engine."""
    address = sys.argv[-1]
    if len(sys.argv) < 2 or ":" not in address:
        return None
    stub = engine_pb2_grpc.EngineStub(grpc.insecure_channel(address))

    def log(request: engine_pb2.LogRequest) -> bool:
        with contextlib.suppress(grpc.RpcError):
            stub.Log(request, timeout=LOG_SECONDS)
            return True
        return False

    return log
