"""Lab clusters as the target `local` starts them, for tests that call the operations without an engine."""

from __future__ import annotations

import contextlib
import random
import socket
from collections.abc import Iterator
from pathlib import Path

from components.cutover.words import Colour
from components.local.wanted import Wanted
from components.resources import progress

VERSIONS: dict[Colour, str] = {"blue": "5.8.6", "green": "5.8.9"}


def wanted(
    directory: Path,
    version: str = "5.8.9",
    *,
    colour: Colour = "blue",
    nodes: int = 1,
    proxy_protocol: bool = False,
    max_sessions: int = 0,
) -> Wanted:
    """Enterprise, without a licence's limit unless one is given, at addresses that are free."""
    return Wanted(
        colour,
        version,
        "ee",
        nodes,
        proxy_protocol=proxy_protocol,
        max_sessions=max_sessions,
        directory=directory,
        network=None,
    )


def free_port(host: str) -> int:
    """A port at which nobody listens there; none of those that the kernel gives to whoever asks meanwhile."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    while True:
        port = random.SystemRandom().randint(20_000, 32_000)
        with contextlib.suppress(OSError), socket.create_server((host, port), family=family):
            return port


@contextlib.contextmanager
def progress_into(lines: list[str]) -> Iterator[None]:
    """There is no engine that lines could be sent to."""
    real = progress.progress, progress.warning
    progress.progress = progress.warning = lines.append  # type: ignore[assignment]  # the same for callers
    try:
        yield
    finally:
        progress.progress, progress.warning = real
