"""Programs of this machine that the agent runs, and what they said when they fail."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Mapping


class FailedError(OSError):
    """A program that had to succeed did not."""


async def run(*words: str, given: str = "", environment: Mapping[str, str] | None = None) -> str:
    """What it printed; raises FailedError with its last words."""
    process = await asyncio.create_subprocess_exec(
        *words,
        stdin=subprocess.PIPE if given else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=None if environment is None else dict(environment),
    )
    said, _ = await process.communicate(given.encode() or None)
    if process.returncode:
        raise FailedError(f"{' '.join(words[:4])}: status {process.returncode}: {said.decode(errors='replace')[-300:]}")
    return said.decode(errors="replace")
