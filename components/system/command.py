"""A command of the stack's owner whose output is wanted: a list of arguments, no shell; the rule: neither arguments nor output are ever shown."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

MOST_SHOWN = 200


class CommandFailed(Exception):  # noqa: N818 - what it says is for the caller's own error
    """It could not be started, ended with another status than 0, or took too long; the text says which."""


async def output_of(arguments: Sequence[str], *, limit_seconds: float) -> bytes:
    """What the command writes to its standard output.

    Raises:
        CommandFailed: with its status and the end of what it wrote to standard error.

    """
    try:
        process = await asyncio.create_subprocess_exec(
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    except (OSError, ValueError) as error:
        raise CommandFailed(f"{arguments[0]} cannot be started ({type(error).__name__})") from None
    try:
        async with asyncio.timeout(limit_seconds):
            out, wrong = await process.communicate()
    except TimeoutError:
        raise CommandFailed(f"{arguments[0]} has not ended after {limit_seconds:g} s") from None
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if process.returncode != 0:
        said = " ".join(wrong.decode("utf-8", "replace").split())[-MOST_SHOWN:]
        raise CommandFailed(f"{arguments[0]} ended with status {process.returncode}: {said or 'without a word'}")
    return out
