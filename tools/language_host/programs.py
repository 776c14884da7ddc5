"""The processes that the language host has started; none of them outlives it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping
from typing import Any

GRACE_SECONDS = 2.0
ALREADY_TOLD = 32
"""The status of a program whose failure the person has been told: the number that Pulumi's own language host uses."""


class Programs:
    """Starts programs in process groups of their own and ends whole groups."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def start(
        self, command: list[str], directory: str, environment: Mapping[str, str], *, stdin: int = subprocess.DEVNULL
    ) -> Iterator[Any]:
        """A program with piped output, which is ended when the block is left."""
        process = subprocess.Popen(
            command,
            cwd=directory,
            env=environment,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            process_group=0,
        )
        with self._lock:
            self._running.add(process)
        try:
            yield process
        finally:
            self.end(process)
            with self._lock:
                self._running.discard(process)

    def end_all(self) -> None:
        """End every program, with a short grace."""
        with self._lock:
            running = list(self._running)
        for process in running:
            self.end(process)

    def end(self, process: subprocess.Popen[bytes]) -> None:
        """End one program: SIGTERM, a grace, SIGKILL; nothing when it has ended."""
        if process.poll() is not None:
            return
        send(process, signal.SIGTERM)
        try:
            process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            send(process, signal.SIGKILL)
            process.wait()


def send(process: subprocess.Popen[bytes], number: int) -> None:
    """A signal to the program's whole group."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)
